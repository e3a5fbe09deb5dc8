/** Offline push: targets and the ledger of notifications. Implements workers/ports/push.ts. */
import type { Pool } from 'pg'
import { deviceKey } from '../../schemas/ids.js'
import type { GroupNames, PushAddress, PushKey, PushLedger, PushTargets } from '../../workers/ports/push.js'
import { prepared } from './pool.js'

interface TargetRow {
  logged_out: boolean
  addresses: PushAddress[]
  settled: boolean
  unread_total: number
}

const selectTargets = prepared<TargetRow>(
  'push-targets',
  `WITH asked AS MATERIALIZED (
     SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::bigint[], $6::text[])
                   WITH ORDINALITY k(u, ct, di, device, f, i, o)
   ), totals AS MATERIALIZED (
     SELECT r.u, (SELECT coalesce(sum(s.unread), 0)::bigint FROM im_session s
                   WHERE s.user_id = r.u AND s.session_status = 0) AS unread_total
       FROM (SELECT DISTINCT u FROM asked) r
   )
   SELECT coalesce(d.logged_out, false) AS logged_out, coalesce(a.addresses, '[]') AS addresses,
          coalesce(l.state <> 'pending', false) AS settled, t.unread_total
     FROM asked k
     JOIN totals t ON t.u = k.u
     LEFT JOIN im_device d ON d.user_id = k.u AND d.client_type = k.ct AND d.device_id = k.di
     LEFT JOIN LATERAL (
       SELECT json_agg(json_build_object('provider', p.provider, 'token', p.token) ORDER BY p.position) AS addresses
         FROM im_push_token p WHERE p.user_id = k.u AND p.client_type = k.ct AND p.device_id = k.di) a ON true
     LEFT JOIN im_push_ledger l
       ON l.reader_id = k.u AND l.device = k.device AND l.from_id = k.f AND l.client_msg_id = k.i
    ORDER BY k.o`,
)

const selectNames = prepared<{ group_id: number; group_name: string }>(
  'group-names',
  'SELECT group_id, group_name FROM im_group WHERE group_id = ANY ($1::bigint[])',
)

/** What groups are called, on this pool. */
export const createGroupNames = (pool: Pool): GroupNames => ({
  async of(groupIds) {
    if (groupIds.length === 0) return new Map()
    const rows = await selectNames(pool, [[...new Set(groupIds)]])
    return new Map(rows.map(({ group_id, group_name }) => [group_id, group_name]))
  },
})

const deleteTokens = prepared(
  'push-delete-tokens',
  `DELETE FROM im_push_token t
    USING unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::bigint[])
          k(u, ct, di, provider, token, since)
    WHERE t.user_id = k.u AND t.client_type = k.ct AND t.device_id = k.di
      AND t.provider = k.provider AND t.token = k.token AND (k.since IS NULL OR t.created <= k.since)`,
)

/** Devices and their tokens on this pool. */
export const createPushTargets = (pool: Pool): PushTargets => ({
  async of(keys) {
    if (keys.length === 0) return []
    return selectTargets(pool, [
      keys.map((key) => key.reader_user_id),
      keys.map((key) => key.device.client_type),
      keys.map((key) => key.device.device_id ?? ''),
      keys.map((key) => deviceKey(key.device)),
      keys.map((key) => key.from_user_id),
      keys.map((key) => key.msg_id),
    ])
  },

  async remove(dead) {
    if (dead.length === 0) return
    await deleteTokens(pool, [
      dead.map((each) => each.user_id),
      dead.map((each) => each.device.client_type),
      dead.map((each) => each.device.device_id ?? ''),
      dead.map((each) => each.provider),
      dead.map((each) => each.token),
      dead.map((each) => each.since ?? null),
    ])
  },
})

interface OpenRow {
  o: number
  notification_id: string
}

// A row that is pending already was left so by a worker that died: its notification is the same one.
const openRows = prepared<OpenRow>(
  'push-ledger-open',
  `WITH asked AS MATERIALIZED (
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[])
                   WITH ORDINALITY k(u, device, f, i, reason, o)
   ), opened AS (
     INSERT INTO im_push_ledger AS l
            (reader_id, device, from_id, client_msg_id, notification_id, reason, state, created, updated)
     SELECT u, device, f, i, gen_random_uuid(), reason, 'pending', $6, $6 FROM asked ORDER BY u, device, f, i
     ON CONFLICT (reader_id, device, from_id, client_msg_id)
       DO UPDATE SET updated = excluded.updated WHERE l.state = 'pending'
     RETURNING reader_id, device, from_id, client_msg_id, notification_id
   )
   SELECT k.o::integer AS o, n.notification_id FROM asked k
     JOIN opened n ON n.reader_id = k.u AND n.device = k.device AND n.from_id = k.f AND n.client_msg_id = k.i`,
)

const settleRows = prepared(
  'push-ledger-settle',
  `UPDATE im_push_ledger l
      SET state = k.state, provider = k.provider, answer = k.answer, attempts = l.attempts + k.attempts,
          updated = greatest(l.updated, $9)
     FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[])
          k(u, device, f, i, state, provider, answer, attempts)
    WHERE l.reader_id = k.u AND l.device = k.device AND l.from_id = k.f AND l.client_msg_id = k.i
      AND l.state = 'pending'`,
)

const keyColumns = (keys: readonly PushKey[]): unknown[] => [
  keys.map((key) => key.reader_user_id),
  keys.map((key) => deviceKey(key.device)),
  keys.map((key) => key.from_user_id),
  keys.map((key) => key.msg_id),
]

/** The ledger on this pool. Each call is a transaction of its own. */
export const createPushLedger = (pool: Pool): PushLedger => ({
  async open(openings) {
    if (openings.length === 0) return []
    const rows = await openRows(pool, [
      ...keyColumns(openings),
      openings.map((opening) => opening.reason),
      Date.now(),
    ])
    const ids = new Map(rows.map((row) => [row.o, row.notification_id]))
    return openings.map((_, at) => ids.get(at + 1))
  },

  async settle(outcomes) {
    if (outcomes.length === 0) return
    await settleRows(pool, [
      ...keyColumns(outcomes),
      outcomes.map((outcome) => outcome.state),
      outcomes.map((outcome) => outcome.provider),
      outcomes.map((outcome) => outcome.answer),
      outcomes.map((outcome) => outcome.attempts),
      Date.now(),
    ])
  },
})
