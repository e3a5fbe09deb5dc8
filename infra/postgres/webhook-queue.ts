/** Which events wait for the webhook. Implements the WebhookQueue of workers/ports/webhooks.ts. */
import type { Pool } from 'pg'
import { topics } from '../../schemas/topics.js'
import type { EventPlace, WaitingEvent, WebhookQueue } from '../../workers/ports/webhooks.js'
import { inTransaction, prepared } from './pool.js'

/** The record of a row that was noted earlier is gone from its delay topic: it must not hold up its lane for ever. */
export const waitingKept_ms = topics.webhookRetry600s.retention_ms

const selectWaiting = prepared<WaitingEvent>(
  'webhook-waiting',
  `SELECT w.lane, w.position, w.rounds
     FROM (SELECT lane, count(*) + 1 AS first FROM unnest($1::text[]) AS a(lane) GROUP BY lane) l
    CROSS JOIN LATERAL (SELECT * FROM im_webhook_waiting i
                         WHERE i.lane = l.lane AND i.noted > $3 ORDER BY i.position LIMIT l.first) w
    UNION
   SELECT w.lane, w.position, w.rounds
     FROM unnest($1::text[], $2::bigint[]) AS a(lane, position)
     JOIN im_webhook_waiting w ON w.lane = a.lane AND w.position = a.position
    WHERE w.noted > $3`,
)
const keepWaiting = prepared(
  'webhook-keep',
  `INSERT INTO im_webhook_waiting (lane, position, rounds, noted)
   SELECT lane, position, rounds, $4 FROM unnest($1::text[], $2::bigint[], $3::integer[]) AS k(lane, position, rounds)
    ORDER BY lane, position
   ON CONFLICT (lane, position) DO UPDATE SET rounds = excluded.rounds, noted = excluded.noted`,
)
const dropWaiting = prepared(
  'webhook-drop',
  `DELETE FROM im_webhook_waiting w USING unnest($1::text[], $2::bigint[]) AS d(lane, position)
    WHERE w.lane = d.lane AND w.position = d.position`,
)

const lanes = (rows: readonly EventPlace[]) => rows.map(({ lane }) => lane)
const positions = (rows: readonly EventPlace[]) => rows.map(({ position }) => position)

/** Keeps them on this pool. */
export const createWebhookQueue = (pool: Pool): WebhookQueue => ({
  async waiting(asked) {
    const since = Date.now() - waitingKept_ms
    return asked.length === 0 ? [] : selectWaiting(pool, [lanes(asked), positions(asked), since])
  },
  async change(keep, drop) {
    // The last word on an event counts.
    const last = [...new Map(keep.map((each) => [`${each.position}|${each.lane}`, each])).values()]
    await inTransaction(pool, async (client) => {
      if (drop.length > 0) await dropWaiting(client, [lanes(drop), positions(drop)])
      if (last.length > 0) {
        const rounds = last.map((each) => each.rounds)
        await keepWaiting(client, [lanes(last), positions(last), rounds, Date.now()])
      }
    })
  },
})
