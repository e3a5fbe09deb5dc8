/** Devices that logged in, and which of them may be notified when offline. */
import type pg from 'pg'
import { type DeviceName, deviceKey } from '../../schemas/ids.js'
import type { PhoneDirectory } from '../../workers/ports/presence.js'
import type { DeviceStore, LoginTrace } from '../../workers/ports/users.js'
import { prepared } from './pool.js'

/** Rows in one order everywhere, so that two batches never wait for each other in a circle. */
const recordLogins = prepared(
  'devices-logged-in',
  `WITH login AS (
     SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::bigint[])
                   AS l(user_id, client_type, device_id, nick_name, at)
   ), renamed AS (
     UPDATE im_user u SET nick_name = n.nick_name, updated = greatest(u.updated, n.at)
       FROM (SELECT DISTINCT ON (user_id) user_id, nick_name, at FROM login
              WHERE nick_name <> '' ORDER BY user_id, at DESC) n
      WHERE u.user_id = n.user_id AND u.nick_name <> n.nick_name
   )
   INSERT INTO im_device AS d (user_id, client_type, device_id, last_login)
     SELECT user_id, client_type, device_id, at FROM login ORDER BY user_id, client_type, device_id
   ON CONFLICT (user_id, client_type, device_id)
     DO UPDATE SET last_login = greatest(d.last_login, excluded.last_login), logged_out = false`,
)

const recordLogouts = prepared(
  'devices-logged-out',
  `UPDATE im_device d SET logged_out = true
     FROM unnest($1::bigint[], $2::smallint[], $3::text[]) AS l(user_id, client_type, device_id)
    WHERE d.user_id = l.user_id AND d.client_type = l.client_type AND d.device_id = l.device_id
      AND NOT d.logged_out`,
)

const selectPhones = prepared<{ user_id: number; client_type: number; device_id: string }>(
  'devices-phones',
  `SELECT d.user_id, d.client_type, d.device_id FROM im_device d
    WHERE d.user_id = ANY ($1::bigint[]) AND NOT d.logged_out
      AND EXISTS (SELECT FROM im_push_token t
                   WHERE t.user_id = d.user_id AND t.client_type = d.client_type AND t.device_id = d.device_id)
    ORDER BY d.user_id, d.client_type, d.device_id`,
)

const selectKnown = prepared<{ user_id: number; client_type: number; device_id: string }>(
  'devices-known',
  'SELECT user_id, client_type, device_id FROM im_device WHERE user_id = ANY ($1::bigint[])',
)

/** The columns that name a device, in three arrays. */
const deviceColumns = (rows: readonly { readonly user_id: number; readonly device: DeviceName }[]) => [
  rows.map(({ user_id }) => user_id),
  rows.map(({ device }) => device.client_type),
  rows.map(({ device }) => device.device_id ?? ''),
]

/** The last login of each device: one statement can write a row only once. */
function lastOfEach(logins: readonly LoginTrace[]): LoginTrace[] {
  const last = new Map<string, LoginTrace>()
  for (const login of logins) last.set(`${login.user_id} ${deviceKey(login.device)}`, login)
  return [...last.values()]
}

/** An empty nick name changes none. */
export const createDeviceStore = (pool: pg.Pool): DeviceStore => ({
  async loggedIn(logins) {
    if (logins.length === 0) return
    const rows = lastOfEach(logins)
    await recordLogins(pool, [
      ...deviceColumns(rows),
      rows.map(({ nick_name }) => nick_name),
      rows.map(({ time }) => time),
    ])
  },

  async loggedOut(logouts) {
    if (logouts.length > 0) await recordLogouts(pool, deviceColumns(logouts))
  },
})

/** Rows by their user. */
function devicesByUser(
  rows: readonly { user_id: number; client_type: number; device_id: string }[],
): ReadonlyMap<number, readonly DeviceName[]> {
  const devices = new Map<number, DeviceName[]>()
  for (const { user_id, client_type, device_id } of rows) {
    const device = device_id === '' ? { client_type } : { client_type, device_id }
    const others = devices.get(user_id)
    if (others) others.push(device)
    else devices.set(user_id, [device])
  }
  return devices
}

/** Every device that ever logged in, of the users who have any. */
export const createKnownDevices = (pool: pg.Pool) => ({
  of: async (userIds: readonly number[]) => devicesByUser(await selectKnown(pool, [userIds])),
})

/** The truth behind the cache of phones (infra/redis/phones.ts): known, with a push token, not logged out. */
export const createPhoneSource = (pool: pg.Pool): PhoneDirectory => ({
  of: async (userIds) =>
    userIds.length === 0 ? new Map() : devicesByUser(await selectPhones(pool, [userIds])),
})
