/** Delivery state of readers' copies, and the messages themselves for a second delivery. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Pool } from 'pg'
import { groupOf } from '../../schemas/ids.js'
import type {
  AckedCopy,
  AckStore,
  CopyKey,
  DeliveryStates,
  FirstDelivery,
  MessageForReader,
  MessageReader,
} from '../../workers/ports/messages.js'
import { bigints, texts } from './arrays.js'
import { prepared } from './pool.js'

const acksPerStep = 1_000

/**
 * Writes acks with im_flush_acks (migration 0016), in bounded steps. Between them it rests for as long as a step takes:
 * nobody waits for this, and a busy group's acks of ten seconds would slow down those who wait for their messages.
 * @param announced whose first deliveries are announced (RECEIPTS_DELIVERED)
 */
export function createAckStore(pool: Pool, announced: 'off' | 'single' | 'all' = 'all'): AckStore {
  return {
    async flush(acks, announce) {
      for (let at = 0; at < acks.length; at += acksPerStep) {
        const begun = performance.now()
        const columns = ackColumns(acks.slice(at, at + acksPerStep))
        if (announce && announced !== 'off') {
          const first = await findFirstDeliveries(pool, [...columns, announced === 'all'])
          if (first.length > 0) await announce(first)
        }
        await flushAcks(pool, columns)
        if (at + acksPerStep < acks.length) await pause(performance.now() - begun)
      }
    },
  }
}

const ackColumns = (acks: readonly AckedCopy[]): unknown[] => [
  bigints(acks.map((ack) => ack.reader_user_id)),
  texts(acks.map((ack) => ack.device)),
  bigints(acks.map((ack) => ack.from_user_id)),
  texts(acks.map((ack) => ack.msg_id)),
  bigints(acks.map((ack) => ack.time)),
]

const flushAcks = prepared(
  'flush-acks',
  'SELECT im_flush_acks($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[])',
)

// What no device of the reader has acked and the reader has not read: by its copy, or of a message by reading by what
// the member's devices acked.
const findFirstDeliveries = prepared<FirstDelivery>(
  'first-deliveries',
  `WITH acked AS MATERIALIZED (
     SELECT a.r, a.f, a.i, min(a.t) AS time, (array_agg(a.d ORDER BY a.t, a.d))[1] AS device
       FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[]) a(r, d, f, i, t)
      WHERE a.r <> a.f GROUP BY a.r, a.f, a.i
   ), messages AS MATERIALIZED (
     SELECT k.f, k.i, s.to_id, s.group_id, s.msg_id,
            s.group_id IS NOT NULL AND im_is_by_reading(s.group_id, s.msg_id) AS by_reading,
            coalesce('g:' || s.group_id,
                     'c:' || least(s.from_id, s.to_id) || ':' || greatest(s.from_id, s.to_id)) AS conversation
       FROM (SELECT DISTINCT f, i FROM acked) k
       JOIN im_message_send s ON s.from_id = k.f AND s.client_msg_id = k.i
      WHERE s.group_id IS NULL OR $6
   ), found AS MATERIALIZED (
     SELECT * FROM acked JOIN messages USING (f, i) WHERE group_id IS NOT NULL OR r = to_id
   )
   SELECT k.conversation, k.r AS reader_user_id, k.msg_id AS server_msg_id, k.device, k.time
     FROM found k
     LEFT JOIN im_session s
       ON s.user_id = k.r AND s.session_type = CASE WHEN k.group_id IS NULL THEN 1 ELSE 2 END
      AND s.peer_id = coalesce(k.group_id, k.f)
    WHERE coalesce(s.read_msg_id, 0) < k.msg_id
      AND CASE WHEN k.by_reading THEN
            EXISTS (SELECT FROM im_group_member b
                     WHERE b.group_id = k.group_id AND b.user_id = k.r AND b.joined_at_msg_id <= k.msg_id
                       AND (b.left_at_msg_id IS NULL OR k.msg_id < b.left_at_msg_id))
            AND NOT EXISTS (SELECT FROM im_group_ack a
                             WHERE a.user_id = k.r AND a.group_id = k.group_id AND a.numbers @> k.msg_id)
          ELSE
            EXISTS (SELECT FROM im_message_recv m
                     WHERE m.msg_to = k.r AND m.conversation = k.conversation AND m.msg_id = k.msg_id
                       AND m.delivered = 0)
          END
    ORDER BY k.conversation, k.msg_id, k.r`,
)

// A message by reading has no row of its reader, who is whom the membership covers.
const statesSql = `
  SELECT coalesce(m.acked_by, own.acked_by, (
           SELECT ARRAY(SELECT a.device FROM im_group_ack a
                         WHERE a.user_id = k.r AND a.group_id = k.g AND a.numbers @> k.n)
             FROM im_group_member b
            WHERE k.r <> k.f AND b.group_id = k.g AND b.user_id = k.r AND b.joined_at_msg_id <= k.n
              AND (b.left_at_msg_id IS NULL OR k.n < b.left_at_msg_id) AND im_is_by_reading(k.g, k.n))) AS acked_by,
         k.r <> k.f AND coalesce(s.read_msg_id >= k.n, false) AS read
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
         WITH ORDINALITY k(r, f, i, c, n, g, o)
    LEFT JOIN im_message_recv m ON k.r <> k.f AND m.msg_to = k.r AND m.conversation = k.c AND m.msg_id = k.n
    LEFT JOIN im_message_send own ON k.r = k.f AND own.from_id = k.f AND own.client_msg_id = k.i
    LEFT JOIN im_session s
      ON s.user_id = k.r AND s.session_type = CASE WHEN k.g IS NULL THEN 1 ELSE 2 END AND s.peer_id = coalesce(k.g, k.f)
   ORDER BY k.o`

/** What PostgreSQL knows of each copy; acks that still wait in Redis are not in it. */
export function createDeliveryStates(pool: Pool): DeliveryStates {
  return {
    async of(keys) {
      const { rows } = await pool.query<{ acked_by: string[] | null; read: boolean }>({
        name: 'delivery-states',
        text: statesSql,
        values: keyColumns(keys),
      })
      return rows.map(({ acked_by, read }) => (acked_by === null ? undefined : { acked_by, read }))
    },
  }
}

const keyColumns = (keys: readonly CopyKey[]): unknown[] => [
  keys.map((key) => key.reader_user_id),
  keys.map((key) => key.from_user_id),
  keys.map((key) => key.msg_id),
  keys.map((key) => key.conversation),
  keys.map((key) => key.server_msg_id),
  keys.map((key) => groupOf(key.conversation) ?? null),
]

interface MessageRow {
  from_id: number | null
  to_id: number
  client_msg_id: string
  msg_id: number
  msg_type: number
  msg_content: Buffer
  attach: string | null
  mention: number[] | null
  created: number
}

const messagesSql = `
  SELECT s.from_id, s.to_id, s.client_msg_id, s.msg_id, s.msg_type, s.msg_content, s.attach, s.mention, s.created
    FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY k(f, i, o)
    LEFT JOIN im_message_send s ON s.from_id = k.f AND s.client_msg_id = k.i
   ORDER BY k.o`

/** Messages by their sender's key. */
export function createMessageReader(pool: Pool): MessageReader {
  return {
    async of(keys) {
      const { rows } = await pool.query<MessageRow>({
        name: 'messages-by-key',
        text: messagesSql,
        values: [keys.map((key) => key.from_user_id), keys.map((key) => key.msg_id)],
      })
      return rows.map(toMessage)
    },
  }
}

function toMessage(row: MessageRow): MessageForReader | undefined {
  if (row.from_id === null) return undefined
  return {
    from_user_id: row.from_id,
    to_session_id: row.to_id,
    msg_id: row.client_msg_id,
    server_msg_id: row.msg_id,
    msg_type: row.msg_type,
    msg_data: row.msg_content,
    attach: row.attach,
    mention: row.mention ?? [],
    stored_time: row.created,
  }
}
