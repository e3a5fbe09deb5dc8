/** Removal by age, in steps of some rows (migrations 0022 and 0024). Implements workers/ports/retention.ts. */
import type { Pool } from 'pg'
import { groupOf } from '../../schemas/ids.js'
import type { Retention, WalkState } from '../../workers/ports/retention.js'
import { prepared } from './pool.js'
import { waitingKept_ms } from './webhook-queue.js'

/** Looked at in one page of a walk. */
const conversationsPerPage = 500
const usersPerPage = 200
/** Removed by one statement, about: some ten milliseconds of one connection. */
const rowsAtOnce = 1_000
const spansPerUser = 200

const selectWalk = prepared<WalkState>(
  'retention-walk',
  'SELECT position, begun FROM im_retention WHERE walk = $1',
)
const noteWalk = prepared(
  'retention-note-walk',
  `INSERT INTO im_retention (walk, position, begun) VALUES ($1, $2, $3)
   ON CONFLICT (walk) DO UPDATE SET position = excluded.position, begun = excluded.begun`,
)

// The conversation of a pair names its users, that of a group the group: no user has a group's id.
const selectConversations = prepared<{ conversation: string; due: boolean }>(
  'retention-conversations',
  `SELECT c.conversation, coalesce(least(f.a, f.b, f.g) < $2, false) AS due
     FROM (SELECT x.conversation, split_part(x.conversation, ':', 2)::bigint AS one,
                  nullif(split_part(x.conversation, ':', 3), '')::bigint AS other
             FROM im_conversation x WHERE x.conversation > $1 ORDER BY x.conversation LIMIT $3) c
    CROSS JOIN LATERAL (
      SELECT (SELECT s.created FROM im_message_send s
               WHERE s.from_id = c.one AND s.to_id = c.other ORDER BY s.msg_id LIMIT 1) AS a,
             (SELECT s.created FROM im_message_send s
               WHERE s.from_id = c.other AND s.to_id = c.one ORDER BY s.msg_id LIMIT 1) AS b,
             (SELECT m.send_time FROM im_message_group m
               WHERE m.group_id = c.one ORDER BY m.msg_id LIMIT 1) AS g) f
    ORDER BY c.conversation`,
)

interface Removed {
  readonly removed: number
  readonly more: boolean
}

const removeFrom = {
  pair: prepared<Removed>('retention-pair', 'SELECT * FROM im_remove_pair_messages($1, $2, $3)'),
  group: prepared<Removed>('retention-group', 'SELECT * FROM im_remove_group_messages($1, $2, $3)'),
}

const selectUsers = prepared<{ user_id: number }>(
  'retention-users',
  'SELECT user_id FROM im_user WHERE user_id > $1 ORDER BY user_id LIMIT $2',
)
const removeSpans = prepared<{ removed: number }>(
  'retention-spans',
  'SELECT im_remove_empty_spans($1::bigint[], $2) AS removed',
)
const removeDeliveries = prepared<{ removed: number }>(
  'retention-deliveries',
  'SELECT im_remove_deliveries($1::bigint[], $2, $3) AS removed',
)
const removeGroupAcks = prepared<{ removed: number }>(
  'retention-group-acks',
  'SELECT im_remove_group_acks($1::bigint[]) AS removed',
)
const removeLedger = prepared<object>(
  'retention-ledger',
  `DELETE FROM im_push_ledger l USING (
     SELECT o.reader_id, o.device, o.from_id, o.client_msg_id
       FROM unnest($1::bigint[]) u(id)
      CROSS JOIN LATERAL (SELECT * FROM im_push_ledger x WHERE x.reader_id = u.id AND x.created < $2
                           ORDER BY x.created LIMIT $3) o
      LIMIT $3) k
    WHERE l.reader_id = k.reader_id AND l.device = k.device AND l.from_id = k.from_id
      AND l.client_msg_id = k.client_msg_id
   RETURNING 1`,
)
const removeTokens = prepared<object>(
  'retention-tokens',
  `DELETE FROM im_push_token t
    WHERE t.user_id = ANY ($1::bigint[]) AND t.created < $2
      AND NOT EXISTS (SELECT FROM im_device d WHERE d.user_id = t.user_id AND d.client_type = t.client_type
                         AND d.device_id = t.device_id AND d.last_login >= $2)
   RETURNING 1`,
)
const removeDevices = prepared<object>(
  'retention-devices',
  `DELETE FROM im_device d
    WHERE d.user_id = ANY ($1::bigint[]) AND d.last_login < $2
      AND NOT EXISTS (SELECT FROM im_push_token t WHERE t.user_id = d.user_id AND t.client_type = d.client_type
                         AND t.device_id = d.device_id)
   RETURNING 1`,
)
// A push to everyone has many receivers: they go first, and it when it has none.
const removeReceivers = prepared<object>(
  'retention-push-receivers',
  `DELETE FROM im_push_receiver r USING (
     SELECT o.push_id, o.user_id
       FROM (SELECT push_id FROM im_push WHERE created < $1 ORDER BY created LIMIT $2) p
      CROSS JOIN LATERAL (SELECT x.push_id, x.user_id FROM im_push_receiver x
                           WHERE x.push_id = p.push_id ORDER BY x.user_id LIMIT $2) o
      LIMIT $2) k
    WHERE r.push_id = k.push_id AND r.user_id = k.user_id
   RETURNING 1`,
)
const removePushes = prepared<object>(
  'retention-pushes',
  `DELETE FROM im_push p USING (
     SELECT o.push_id FROM (SELECT push_id FROM im_push WHERE created < $1 ORDER BY created LIMIT $2) o
      WHERE NOT EXISTS (SELECT FROM im_push_receiver r WHERE r.push_id = o.push_id)) k
    WHERE p.push_id = k.push_id
   RETURNING 1`,
)
const removeWaiting = prepared<object>(
  'retention-waiting-events',
  `DELETE FROM im_webhook_waiting w USING (
     SELECT lane, position FROM im_webhook_waiting WHERE noted < $1 LIMIT $2 FOR UPDATE SKIP LOCKED) k
    WHERE w.lane = k.lane AND w.position = k.position
   RETURNING 1`,
)

/** Reads and removes on this pool. */
export const createRetention = (pool: Pool, rowsPerStep = rowsAtOnce): Retention => ({
  walk: async (walk) => (await selectWalk(pool, [walk]))[0],
  async noteWalk(walk, { position, begun }) {
    await noteWalk(pool, [walk, position, begun])
  },

  async conversations(after, before) {
    const rows = await selectConversations(pool, [after, before, conversationsPerPage])
    return {
      due: rows.filter(({ due }) => due).map(({ conversation }) => conversation),
      last: rows.at(-1)?.conversation,
    }
  },
  async removeMessages(conversation, before) {
    const remove = groupOf(conversation) === undefined ? removeFrom.pair : removeFrom.group
    const [step] = await remove(pool, [conversation, before, rowsPerStep])
    return step ?? { removed: 0, more: false }
  },

  users: async (after) => (await selectUsers(pool, [after, usersPerPage])).map(({ user_id }) => user_id),
  removeEmptySpans: async (users) => (await removeSpans(pool, [users, spansPerUser]))[0]?.removed ?? 0,
  removeDeliveries: async (users, before) =>
    (await removeDeliveries(pool, [users, before, rowsPerStep]))[0]?.removed ?? 0,
  removeGroupAcks: async (users) => (await removeGroupAcks(pool, [users]))[0]?.removed ?? 0,
  removeLedger: async (users, before) => (await removeLedger(pool, [users, before, rowsPerStep])).length,
  async removeDevices(users, before) {
    const tokens = await removeTokens(pool, [users, before])
    const devices = await removeDevices(pool, [users, before])
    return { devices: devices.length, tokens: tokens.length }
  },

  async removePushes(before) {
    const receivers = await removeReceivers(pool, [before, rowsPerStep])
    const pushes = await removePushes(pool, [before, rowsPerStep])
    return receivers.length + pushes.length
  },
  removeWaitingEvents: async () =>
    (await removeWaiting(pool, [Date.now() - waitingKept_ms, rowsPerStep])).length,
})
