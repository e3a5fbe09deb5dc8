/** Devices and their users on the real PostgreSQL: spec 2, "Login, presence, kick" 2 and 6. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { createDeviceStore, createPhoneSource } from '../../../infra/postgres/devices.js'
import { createPool } from '../../../infra/postgres/pool.js'
import { parseDeviceKey } from '../../../schemas/ids.js'
import type { DeviceStore } from '../../../workers/ports/users.js'
import { type FreshDatabase, freshDatabase } from '../../helpers/database.js'
import { silentLog } from '../../helpers/log.js'

let database: FreshDatabase
let pool: pg.Pool
let devices: DeviceStore
let lastUser = 0

before(async () => {
  database = await freshDatabase()
  pool = createPool(database.url, 3, silentLog)
  devices = createDeviceStore(pool)
})
after(async () => {
  await pool.end()
  await database.drop()
})

async function newUser(nick_name = 'Ann'): Promise<number> {
  const user = ++lastUser
  await pool.query({
    text: 'INSERT INTO im_user (user_id, nick_name, created, updated) VALUES ($1, $2, 1, 1)',
    values: [user, nick_name],
  })
  return user
}

const login = (user_id: number, key: string, nick_name = 'Ann', time = 1_000) => ({
  user_id,
  device: parseDeviceKey(key),
  nick_name,
  time,
})

async function stored(user: number) {
  const { rows: users } = await pool.query({
    text: 'SELECT nick_name, updated FROM im_user WHERE user_id = $1',
    values: [user],
  })
  const { rows: known } = await pool.query({
    text: `SELECT client_type, device_id, last_login, logged_out FROM im_device WHERE user_id = $1
           ORDER BY client_type, device_id`,
    values: [user],
  })
  return { user: users[0], devices: known }
}

const pushToken = (user: number, client_type: number, device_id = '') =>
  pool.query({
    text: `INSERT INTO im_push_token (user_id, client_type, device_id, provider, token, created)
           VALUES ($1, $2, $3, 'log', 't', 1)`,
    values: [user, client_type, device_id],
  })

test('a login makes the device known, and comes back after a logout', async () => {
  const user = await newUser()
  await devices.loggedIn([login(user, '2:phone'), login(user, '3'), login(user, '3', 'Ann', 1_500)])
  await devices.loggedOut([{ user_id: user, device: parseDeviceKey('2:phone') }])
  assert.deepEqual((await stored(user)).devices, [
    { client_type: 2, device_id: 'phone', last_login: 1_000, logged_out: true },
    { client_type: 3, device_id: '', last_login: 1_500, logged_out: false },
  ])
  await devices.loggedIn([login(user, '2:phone', 'Ann', 900)])
  assert.deepEqual((await stored(user)).devices[0], {
    client_type: 2,
    device_id: 'phone',
    last_login: 1_000,
    logged_out: false,
  })
})

test('a nick name that differs updates the user, the latest of a batch; the same or an empty one does not', async () => {
  const [renamed, same, empty] = [await newUser(), await newUser(), await newUser()]
  await devices.loggedIn([
    login(renamed, '2', 'Bea \u{1f469}\u200d\u{1f680}', 2_000),
    login(renamed, '3', "C'; DROP TABLE im_user --", 3_000),
    login(same, '2', 'Ann', 4_000),
    login(empty, '2', '', 4_000),
  ])
  assert.deepEqual((await stored(renamed)).user, { nick_name: "C'; DROP TABLE im_user --", updated: 3_000 })
  assert.deepEqual((await stored(same)).user, { nick_name: 'Ann', updated: 1 })
  assert.deepEqual((await stored(empty)).user, { nick_name: 'Ann', updated: 1 })
})

test('a phone is a known device with a push token that did not log out', async () => {
  const phones = createPhoneSource(pool)
  const [one, two, none] = [await newUser(), await newUser(), await newUser()]
  await devices.loggedIn([
    login(one, '2:a'),
    login(one, '2:b'),
    login(one, '5'),
    login(two, '1'),
    login(none, '1'),
  ])
  await pushToken(one, 2, 'a')
  await pushToken(one, 2, 'b')
  await pushToken(one, 2, 'never logged in')
  await pushToken(two, 1)
  await devices.loggedOut([{ user_id: one, device: parseDeviceKey('2:b') }])
  assert.deepEqual(
    await phones.of([one, two, none, 999]),
    new Map([
      [one, [{ client_type: 2, device_id: 'a' }]],
      [two, [{ client_type: 1 }]],
    ]),
  )
})
