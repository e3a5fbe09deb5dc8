/** The ledger of notifications: at most one per message and device. Implements workers/ports/push.ts. */
import type { Pool } from 'pg'
import { deviceKey } from '../../schemas/ids.js'
import type { OpenPush, PushKey, PushLedger } from '../../workers/ports/push.js'
import { prepared } from './pool.js'

interface OpenRow extends OpenPush {
  o: number
}

// A row that is pending already was left so by a worker that died, or for this round: its notification is the same
// one. What was given up in this very round comes from the dead letters.
const openRows = prepared<OpenRow>(
  'push-ledger-open',
  `WITH asked AS MATERIALIZED (
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                          $8::integer[])
                   WITH ORDINALITY k(u, device, f, i, reason, c, n, round, o)
   ), opened AS (
     INSERT INTO im_push_ledger AS l
            (reader_id, device, from_id, client_msg_id, notification_id, reason, state, conversation, server_msg_id,
             round, created, updated)
     SELECT u, device, f, i, gen_random_uuid(), reason, 'pending', c, n, round, $9, $9
       FROM asked ORDER BY u, device, f, i
     ON CONFLICT (reader_id, device, from_id, client_msg_id)
       DO UPDATE SET state = 'pending', updated = excluded.updated,
                     round = CASE WHEN l.state = 'failed' THEN excluded.round ELSE l.round END
        WHERE l.state = 'pending' OR l.state = 'failed' AND l.round = excluded.round + 1
     RETURNING reader_id, device, from_id, client_msg_id, notification_id, round, provider
   )
   SELECT k.o::integer AS o, n.notification_id, n.round, n.provider FROM asked k
     JOIN opened n ON n.reader_id = k.u AND n.device = k.device AND n.from_id = k.f AND n.client_msg_id = k.i`,
)

const settleRows = prepared(
  'push-ledger-settle',
  `UPDATE im_push_ledger l
      SET state = k.state, provider = coalesce(k.provider, l.provider), answer = k.answer,
          attempts = l.attempts + k.attempts, round = l.round + 1, updated = greatest(l.updated, $10)
     FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[],
                 $9::integer[]) k(u, device, f, i, state, provider, answer, attempts, round)
    WHERE l.reader_id = k.u AND l.device = k.device AND l.from_id = k.f AND l.client_msg_id = k.i
      AND l.state = 'pending' AND l.round = k.round`,
)

const keyColumns = (keys: readonly PushKey[]): unknown[] => [
  keys.map((key) => key.reader_user_id),
  keys.map((key) => deviceKey(key.device)),
  keys.map((key) => key.from_user_id),
  keys.map((key) => key.msg_id),
]

/** The ledger on this pool. Each statement is a transaction of its own. */
export const createPushLedger = (pool: Pool): PushLedger => ({
  async open(openings) {
    if (openings.length === 0) return []
    const now = Date.now()
    const rows = await openRows(pool, [
      ...keyColumns(openings),
      openings.map((opening) => opening.reason),
      openings.map((opening) => opening.conversation),
      openings.map((opening) => opening.server_msg_id),
      openings.map((opening) => opening.round),
      now,
    ])
    const found = new Map(rows.map(({ o, ...row }) => [o, row]))
    return openings.map((_, at) => found.get(at + 1))
  },

  async settle(outcomes) {
    if (outcomes.length === 0) return
    await settleRows(pool, [
      ...keyColumns(outcomes),
      outcomes.map((outcome) => outcome.state),
      outcomes.map((outcome) => outcome.provider),
      outcomes.map((outcome) => outcome.answer),
      outcomes.map((outcome) => outcome.attempts),
      outcomes.map((outcome) => outcome.round),
      Date.now(),
    ])
  },
})
