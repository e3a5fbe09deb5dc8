/** Delivery state of readers' copies, and the messages themselves for a second delivery. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Pool } from 'pg'
import { groupOf } from '../../schemas/ids.js'
import type {
  AckedCopy,
  AckStore,
  CopyKey,
  DeliveryStates,
  MessageForReader,
  MessageReader,
} from '../../workers/ports/messages.js'
import { bigints, texts } from './arrays.js'

const acksPerStep = 1_000

/**
 * Writes acks with im_flush_acks (migration 0016), in bounded steps. Between them it rests for as long as a step takes:
 * nobody waits for this, and a busy group's acks of ten seconds would slow down those who wait for their messages.
 */
export function createAckStore(pool: Pool): AckStore {
  return {
    async flush(acks) {
      for (let at = 0; at < acks.length; at += acksPerStep) {
        const begun = performance.now()
        await flushSome(pool, acks.slice(at, at + acksPerStep))
        if (at + acksPerStep < acks.length) await pause(performance.now() - begun)
      }
    },
  }
}

async function flushSome(pool: Pool, acks: readonly AckedCopy[]): Promise<void> {
  const values = [
    bigints(acks.map((ack) => ack.reader_user_id)),
    texts(acks.map((ack) => ack.device)),
    bigints(acks.map((ack) => ack.from_user_id)),
    texts(acks.map((ack) => ack.msg_id)),
    bigints(acks.map((ack) => ack.time)),
  ]
  await pool.query({
    name: 'flush-acks',
    text: 'SELECT im_flush_acks($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[])',
    values,
  })
}

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
