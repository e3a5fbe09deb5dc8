/** Pushes of businesses and their receivers. Implements workers/ports/pushes.ts. */
import type { Pool } from 'pg'
import type {
  PushAging,
  Pushes,
  PushOpened,
  PushOpening,
  PushReceiver,
  PushStatuses,
  ReceiverState,
  ReceiverStatus,
  StoredPush,
  WaitingPush,
} from '../../workers/ports/pushes.js'
import { inTransaction, prepared } from './pool.js'

const columns = 'push_id, push_type, payload, offline, title, body, created, expires'

const insertPushes = prepared(
  'push-open',
  `INSERT INTO im_push (push_id, place, digest, push_type, payload, offline, title, body, created, expires)
   SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::text[],
                        $8::text[], $9::bigint[], $10::bigint[])
   ON CONFLICT DO NOTHING`,
)

const selectPlaces = prepared<{ push_id: string; place: string; digest: string }>(
  'push-places',
  'SELECT push_id, place, digest FROM im_push WHERE push_id = ANY ($1::text[])',
)

const selectPushes = prepared<StoredPush>(
  'push-by-id',
  `SELECT ${columns} FROM im_push WHERE push_id = ANY ($1::text[])`,
)

const insertReceivers = prepared(
  'push-address',
  `INSERT INTO im_push_receiver (push_id, user_id, state, reason, expires, updated)
   SELECT k.*, $6 FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[]) k(p, u, s, r, e)
    ORDER BY k.p, k.u
   ON CONFLICT DO NOTHING`,
)

const selectStates = prepared<{ state: ReceiverState }>(
  'push-states',
  `SELECT r.state FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY k(p, u, o)
     JOIN im_push_receiver r ON r.push_id = k.p AND r.user_id = k.u ORDER BY k.o`,
)

const selectOpen = prepared<PushReceiver>(
  'push-open-receivers',
  `SELECT r.push_id, r.user_id FROM unnest($1::text[], $2::bigint[]) k(p, u)
     JOIN im_push_receiver r ON r.push_id = k.p AND r.user_id = k.u AND r.state = 'open'`,
)

const settleReceivers = prepared<{ o: number }>(
  'push-settle',
  `UPDATE im_push_receiver r SET state = k.s, reason = k.r, updated = $5
     FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) WITH ORDINALITY k(p, u, s, r, o)
    WHERE r.push_id = k.p AND r.user_id = k.u AND r.state IN ('open', k.s)
   RETURNING k.o::integer AS o`,
)

// A repeat of the batch has the same time and device, and is the first again. A gate may have written a push to
// everyone before its receivers are here; who only acks is no receiver.
const markSteps = prepared<{ first: boolean }>(
  'push-reached',
  `WITH asked AS MATERIALIZED (
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::boolean[], $4::text[], $5::bigint[])
                   WITH ORDINALITY k(p, u, ack, d, t, o)
   ), firsts AS MATERIALIZED (
     SELECT p, u, (array_agg(t ORDER BY o) FILTER (WHERE NOT ack))[1] AS sent_at,
            (array_agg(d ORDER BY o) FILTER (WHERE NOT ack))[1] AS sent_to,
            (array_agg(t ORDER BY o) FILTER (WHERE ack))[1] AS acked_at,
            (array_agg(d ORDER BY o) FILTER (WHERE ack))[1] AS acked_by
       FROM asked GROUP BY p, u
   ), changed AS (
     INSERT INTO im_push_receiver AS r (push_id, user_id, state, sent_at, sent_to, acked_at, acked_by, expires, updated)
     SELECT f.p, f.u, CASE WHEN f.acked_at IS NULL THEN 'open' ELSE 'acked' END,
            f.sent_at, f.sent_to, f.acked_at, f.acked_by, p.expires, $6
       FROM firsts f JOIN im_push p ON p.push_id = f.p
      WHERE f.sent_at IS NOT NULL
         OR EXISTS (SELECT FROM im_push_receiver k WHERE k.push_id = f.p AND k.user_id = f.u)
      ORDER BY f.p, f.u
     ON CONFLICT (push_id, user_id) DO UPDATE
        SET sent_at = coalesce(r.sent_at, excluded.sent_at), sent_to = coalesce(r.sent_to, excluded.sent_to),
            acked_at = coalesce(r.acked_at, excluded.acked_at), acked_by = coalesce(r.acked_by, excluded.acked_by),
            state = CASE WHEN excluded.acked_at IS NULL THEN r.state ELSE 'acked' END, updated = $6
     RETURNING r.push_id, r.user_id, r.sent_at, r.sent_to, r.acked_at, r.acked_by
   )
   SELECT coalesce(CASE WHEN k.ack THEN c.acked_at = k.t AND c.acked_by = k.d
                        ELSE c.sent_at = k.t AND c.sent_to = k.d END, false) AS first
     FROM asked k LEFT JOIN changed c ON c.push_id = k.p AND c.user_id = k.u ORDER BY k.o`,
)

const selectWaiting = prepared<WaitingPush & { user_id: number }>(
  'push-waiting',
  `SELECT user_id, sent, ${columns} FROM (
     SELECT r.user_id, r.state = 'open' AS sent, p.*,
            sum(octet_length(p.payload)) OVER (PARTITION BY r.user_id ORDER BY p.created, p.push_id) AS bytes
       FROM im_push_receiver r JOIN im_push p USING (push_id)
      WHERE r.user_id = ANY ($1::bigint[]) AND r.state IN ('open', 'stored') AND p.expires > $2) w
    WHERE bytes <= $3 ORDER BY created, push_id`,
)

const usersOf = (receivers: readonly PushReceiver[]): [string[], number[]] => [
  receivers.map((each) => each.push_id),
  receivers.map((each) => each.user_id),
]

/** Stores them and, of those that were opened, the receivers that do not exist. */
async function openAll(pool: Pool, openings: readonly PushOpening[]): Promise<PushOpened[]> {
  return inTransaction(pool, async (client) => {
    const column = <T>(of: (opening: (typeof openings)[number]) => T) => openings.map(of)
    await insertPushes(client, [
      column((each) => each.push_id),
      column((each) => each.place),
      column((each) => each.digest),
      column((each) => each.push_type),
      column((each) => each.payload),
      column((each) => each.offline),
      column((each) => each.title),
      column((each) => each.body),
      column((each) => each.created),
      column((each) => each.expires),
    ])
    const rows = await selectPlaces(client, [column((each) => each.push_id)])
    const stored = new Map(rows.map((row) => [row.push_id, row]))
    const answers = openings.map(({ push_id, place, digest }) => {
      const row = stored.get(push_id)
      if (row?.place === place) return 'opened' as const
      return row?.digest === digest ? ('repeated' as const) : ('taken' as const)
    })
    const rejected = openings
      .filter((_, at) => answers[at] === 'opened')
      .flatMap(({ push_id, expires, rejected: users }) =>
        users.map(({ user_id, reason }) => ({
          push_id,
          user_id,
          state: 'rejected' as const,
          reason,
          expires,
        })),
      )
    if (rejected.length > 0) await insertReceivers(client, receiverColumns(rejected))
    return answers
  })
}

/** Pushes on this pool. */
export const createPushes = (pool: Pool): Pushes => ({
  open: (openings) => (openings.length === 0 ? Promise.resolve([]) : openAll(pool, openings)),

  async of(pushIds) {
    if (pushIds.length === 0) return new Map()
    const rows = await selectPushes(pool, [[...new Set(pushIds)]])
    return new Map(rows.map((push) => [push.push_id, push]))
  },

  async address(receivers) {
    if (receivers.length === 0) return []
    await insertReceivers(pool, receiverColumns(receivers))
    return (await selectStates(pool, usersOf(receivers))).map(({ state }) => state)
  },

  openOf: async (receivers) => (receivers.length === 0 ? [] : selectOpen(pool, usersOf(receivers))),

  async settle(receivers) {
    if (receivers.length === 0) return []
    const rows = await settleReceivers(pool, [
      ...usersOf(receivers),
      receivers.map((each) => each.state),
      receivers.map((each) => each.reason ?? null),
      Date.now(),
    ])
    const settled = new Set(rows.map(({ o }) => o))
    return receivers.map((_, at) => settled.has(at + 1))
  },

  async reached(steps) {
    if (steps.length === 0) return []
    const rows = await markSteps(pool, [
      ...usersOf(steps),
      steps.map((each) => each.step === 'acked'),
      steps.map((each) => each.device),
      steps.map((each) => each.time),
      Date.now(),
    ])
    return rows.map(({ first }) => first)
  },

  async waiting(userIds, now, bytes) {
    const rows = userIds.length === 0 ? [] : await selectWaiting(pool, [[...new Set(userIds)], now, bytes])
    const byUser = new Map<number, WaitingPush[]>()
    for (const { user_id, ...push } of rows) byUser.set(user_id, [...(byUser.get(user_id) ?? []), push])
    return byUser
  },
})

type Receivers = Parameters<Pushes['address']>[0]

const receiverColumns = (receivers: Receivers): unknown[] => [
  ...usersOf(receivers),
  receivers.map((each) => each.state),
  receivers.map((each) => each.reason ?? null),
  receivers.map((each) => each.expires),
  Date.now(),
]

const selectReceivers = prepared<ReceiverStatus>(
  'push-receivers',
  `SELECT push_id, user_id, state, reason, sent_at, acked_at FROM im_push_receiver
    WHERE push_id = $1 AND user_id > $2 ORDER BY user_id LIMIT $3`,
)

/** What became of a push, on this pool. */
export const createPushStatuses = (pool: Pool): PushStatuses => ({
  async of(push_id, after, limit) {
    const [[push], receivers] = await Promise.all([
      selectPushes(pool, [[push_id]]),
      selectReceivers(pool, [push_id, after, limit]),
    ])
    return push && { push, receivers }
  },
})

const selectOverdue = prepared<PushReceiver>(
  'push-overdue',
  `SELECT push_id, user_id FROM im_push_receiver WHERE state = 'stored' AND expires <= $1
    ORDER BY expires LIMIT $2`,
)

const expireReceivers = prepared(
  'push-expire',
  `UPDATE im_push_receiver r SET state = 'expired', updated = $3
     FROM unnest($1::text[], $2::bigint[]) k(p, u)
    WHERE r.push_id = k.p AND r.user_id = k.u AND r.state = 'stored'`,
)

/** What time does to pushes, on this pool. */
export const createPushAging = (pool: Pool): PushAging => ({
  overdue: (now, limit) => selectOverdue(pool, [now, limit]),
  async expire(receivers, now) {
    await expireReceivers(pool, [...usersOf(receivers), now])
  },
})
