/** Who has received and who has read a message: of the readers' positions and of their copies' delivery state. */
import type { Pool } from 'pg'
import type { Receipts } from '../../workers/ports/receipts.js'
import { byQuestion, type Numbered } from './copies.js'
import { prepared } from './pool.js'

interface ReceiptsRow extends Numbered {
  session_id: number
  server_msg_id: number
  read: number[]
  received: number[]
  waiting: number[]
}

const listed = (condition: string) =>
  `coalesce(array_agg(e.reader ORDER BY e.reader) FILTER (WHERE ${condition}), '{}')`

// A reader's position says that everything up to it was read, and so received; else the copy says, and of a message by
// reading what the member's devices acked. Per member one row of each, found by its primary key.
const findReceipts = prepared<ReceiptsRow>(
  'message-receipts',
  `SELECT q.o::integer AS question, x.to_id AS session_id, x.msg_id AS server_msg_id, m.*
     FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY q(u, i, o)
     JOIN im_message_send x ON x.from_id = q.u AND x.client_msg_id = q.i
    CROSS JOIN LATERAL (
      SELECT ${listed('e.read')} AS read, ${listed('NOT e.read AND e.received')} AS received,
             ${listed('NOT e.read AND NOT e.received')} AS waiting
        FROM (
          SELECT k.user_id AS reader, coalesce(s.read_msg_id >= x.msg_id, false) AS read,
                 coalesce(r.delivered = 1, false) OR EXISTS (
                   SELECT FROM im_group_ack a
                    WHERE a.user_id = k.user_id AND a.group_id = k.group_id AND a.numbers @> x.msg_id) AS received
            FROM im_group_member k
            LEFT JOIN im_session s ON s.user_id = k.user_id AND s.session_type = 2 AND s.peer_id = k.group_id
            LEFT JOIN im_message_recv r
              ON r.msg_to = k.user_id AND r.conversation = 'g:' || x.group_id AND r.msg_id = x.msg_id
           WHERE k.group_id = x.group_id AND k.user_id <> x.from_id AND k.joined_at_msg_id <= x.msg_id
             AND (k.left_at_msg_id IS NULL OR x.msg_id < k.left_at_msg_id)
          UNION ALL
          SELECT r.msg_to, coalesce(s.read_msg_id >= x.msg_id, false), r.delivered = 1
            FROM im_message_recv r
            LEFT JOIN im_session s ON s.user_id = r.msg_to AND s.session_type = 1 AND s.peer_id = x.from_id
           WHERE x.group_id IS NULL AND r.msg_to = x.to_id AND r.msg_id = x.msg_id
             AND r.conversation = 'c:' || least(x.from_id, x.to_id) || ':' || greatest(x.from_id, x.to_id)) e) m`,
)

/** Reads on this pool. */
export function createReceipts(pool: Pool): Receipts {
  return {
    async of(asked) {
      const rows = await findReceipts(pool, [
        asked.map((each) => each.user_id),
        asked.map((each) => each.msg_id),
      ])
      return byQuestion(rows, asked.length).map(([found]) => {
        if (found === undefined) return undefined
        const { question: _, ...receipts } = found
        return receipts
      })
    },
  }
}
