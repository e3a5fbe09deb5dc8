/** Tokens, settings and the ledger as app servers read them. Implements workers/ports/push-records.ts. */
import type { Pool } from 'pg'
import type { PushSettings } from '../../workers/ports/push.js'
import type {
  KnownDevice,
  MessageDeliveries,
  PushRecord,
  PushRecords,
  ReaderDelivery,
  RegisteredToken,
} from '../../workers/ports/push-records.js'
import { prepared } from './pool.js'

interface TokenRow {
  client_type: number
  device_id: string
  provider: string
  token_end: string
  created: number
}

const selectTokens = prepared<TokenRow>(
  'push-tokens-of',
  `SELECT client_type, device_id, provider, CASE WHEN length(token) > 12 THEN right(token, 4) ELSE '' END AS token_end,
          created
     FROM im_push_token WHERE user_id = $1 ORDER BY client_type, device_id, position`,
)

const tokenOf = ({ client_type, device_id, ...token }: TokenRow): RegisteredToken => ({
  device: device_id === '' ? { client_type } : { client_type, device_id },
  ...token,
})

interface SettingsRow {
  quiet_from: number | null
  quiet_to: number | null
  time_zone: string | null
  mentions: boolean
  preview: boolean
}

const selectSettings = prepared<SettingsRow>(
  'push-settings-of',
  'SELECT quiet_from, quiet_to, time_zone, mentions, preview FROM im_push_settings WHERE user_id = $1',
)

/** Of a row, or of the lack of one. */
export function settingsOf(row: SettingsRow | undefined): PushSettings {
  if (row === undefined) return { quiet: null, mentions: true, preview: true }
  const { quiet_from: from, quiet_to: to, time_zone, mentions, preview } = row
  const quiet = from === null || to === null || time_zone === null ? null : { from, to, time_zone }
  return { quiet, mentions, preview }
}

const recordColumns = `l.notification_id, l.device, l.from_id AS from_user_id, l.client_msg_id AS msg_id, l.conversation,
  l.server_msg_id, l.state, l.reason, l.provider, l.answer, l.attempts, l.created, l.updated`

const selectNotifications = prepared<PushRecord>(
  'push-notifications-of',
  `SELECT ${recordColumns} FROM im_push_ledger l
    WHERE l.reader_id = $1 AND ($2::bigint IS NULL OR (l.created, l.notification_id) < ($2, $3::uuid))
    ORDER BY l.created DESC, l.notification_id DESC LIMIT $4`,
)

interface DeliveryRow {
  to_session_id: number
  server_msg_id: number
  /** null: there are no more readers. */
  reader_user_id: number | null
  read: boolean
  acked_by: string[]
  devices: KnownDevice[]
  notifications: PushRecord[]
}

// Per reader a few rows, each found by its primary key; of a message by reading what its devices acked. One reader more than asked tells whether there are others.
const selectDeliveries = prepared<DeliveryRow>(
  'push-deliveries-of',
  `SELECT x.to_id AS to_session_id, x.msg_id AS server_msg_id, r.reader AS reader_user_id,
          coalesce(s.read_msg_id >= x.msg_id, false) AS read,
          coalesce(m.acked_by, ARRAY(SELECT a.device FROM im_group_ack a
                                      WHERE a.user_id = r.reader AND a.group_id = x.group_id
                                        AND a.numbers @> x.msg_id)) AS acked_by,
          coalesce(d.devices, '[]') AS devices, coalesce(p.notifications, '[]') AS notifications
     FROM im_message_send x
     LEFT JOIN LATERAL (
       (SELECT k.user_id AS reader FROM im_group_member k
         WHERE k.group_id = x.group_id AND k.user_id <> x.from_id AND k.user_id > $3 AND k.joined_at_msg_id <= x.msg_id
           AND (k.left_at_msg_id IS NULL OR x.msg_id < k.left_at_msg_id)
         ORDER BY k.user_id LIMIT $4)
       UNION ALL
       SELECT x.to_id WHERE x.group_id IS NULL AND x.to_id <> x.from_id AND x.to_id > $3) r ON true
     LEFT JOIN im_session s ON s.user_id = r.reader
       AND s.session_type = CASE WHEN x.group_id IS NULL THEN 1 ELSE 2 END
       AND s.peer_id = coalesce(x.group_id, x.from_id)
     LEFT JOIN im_message_recv m ON m.msg_to = r.reader AND m.msg_id = x.msg_id
       AND m.conversation = CASE WHEN x.group_id IS NULL
         THEN 'c:' || least(x.from_id, x.to_id) || ':' || greatest(x.from_id, x.to_id) ELSE 'g:' || x.group_id END
     LEFT JOIN LATERAL (
       SELECT json_agg(json_build_object(
                'device', e.client_type || CASE WHEN e.device_id = '' THEN '' ELSE ':' || e.device_id END,
                'logged_out', e.logged_out,
                'has_token', EXISTS (SELECT FROM im_push_token t WHERE t.user_id = e.user_id
                                        AND t.client_type = e.client_type AND t.device_id = e.device_id))) AS devices
         FROM im_device e WHERE e.user_id = r.reader) d ON true
     LEFT JOIN LATERAL (
       SELECT json_agg(n) AS notifications
         FROM (SELECT ${recordColumns} FROM im_push_ledger l
                WHERE l.reader_id = r.reader AND l.from_id = x.from_id AND l.client_msg_id = x.client_msg_id) n) p ON true
    WHERE x.from_id = $1 AND x.client_msg_id = $2
    ORDER BY r.reader`,
)

/** Reads on this pool. */
export const createPushRecords = (pool: Pool): PushRecords => ({
  tokensOf: async (userId) => (await selectTokens(pool, [userId])).map(tokenOf),

  settingsOf: async (userId) => settingsOf((await selectSettings(pool, [userId]))[0]),

  async deliveriesOf({ from_user_id, msg_id, after, limit }) {
    const rows = await selectDeliveries(pool, [from_user_id, msg_id, after, limit + 1])
    const [first] = rows
    if (first === undefined) return undefined
    const readers = rows.flatMap(readerOf)
    const { to_session_id, server_msg_id } = first
    return {
      to_session_id,
      server_msg_id,
      readers: readers.slice(0, limit),
      hasMore: readers.length > limit,
    } satisfies MessageDeliveries
  },

  notificationsOf: ({ user_id, before, limit }) =>
    selectNotifications(pool, [user_id, before?.created ?? null, before?.notification_id ?? null, limit]),
})

const readerOf = ({
  reader_user_id,
  read,
  acked_by,
  devices,
  notifications,
}: DeliveryRow): ReaderDelivery[] =>
  reader_user_id === null ? [] : [{ reader_user_id, read, acked_by, devices, notifications }]
