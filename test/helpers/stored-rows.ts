/** Everything that is stored of the messages between some users, for the checker. */
import { pairConversation } from '../../schemas/ids.js'
import type { ReceiveRow, SendRow, SessionRow, Stored } from './checker.js'
import { rowsOf } from './rows.js'

const queries = {
  sent: `SELECT from_id::float8, to_id::float8, client_msg_id, msg_id::float8, msg_content
           FROM im_message_send WHERE from_id = ANY ($1)`,
  received: `SELECT msg_to::float8, msg_from::float8, conversation, client_msg_id, msg_id::float8, content
               FROM im_message_recv WHERE msg_from = ANY ($1)`,
  sessions: `SELECT user_id::float8, peer_id::float8, unread, read_msg_id::float8, last_msg_id::float8
               FROM im_session WHERE user_id = ANY ($1)`,
  counters: `SELECT conversation, last_msg_id::float8
               FROM im_conversation WHERE conversation = ANY ($1) AND last_msg_id > 0`,
}

/**
 * @param url of the system's database
 * @param user_ids who wrote to each other, and to nobody else
 */
export async function readStored(url: string, user_ids: readonly number[]): Promise<Stored> {
  const pairs = user_ids.flatMap((one) => user_ids.map((other) => pairConversation(one, other)))
  const [sent, received, sessions, counters] = await Promise.all([
    rowsOf<SendRow>(url, queries.sent, [user_ids]),
    rowsOf<ReceiveRow>(url, queries.received, [user_ids]),
    rowsOf<SessionRow>(url, queries.sessions, [user_ids]),
    rowsOf<Stored['counters'][number]>(url, queries.counters, [pairs]),
  ])
  return { sent, received, sessions, counters }
}
