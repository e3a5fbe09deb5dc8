/** Columns and rows that every query for messages shares: a message as one of its readers, or its sender, has it. */
import type { MessageCopy } from '../../workers/ports/queries.js'

/** Columns of a CopyRow: of an own message x, a received one r, and a group's x. */
export const ownCopy = `x.msg_id AS number, x.client_msg_id, x.from_id AS sender, x.to_id AS receiver, x.msg_type,
  x.msg_content AS content, x.attach, x.client_type, x.created AS stored_at`
export const receivedCopy = `r.msg_id AS number, r.client_msg_id, r.msg_from AS sender, r.msg_to AS receiver, r.msg_type,
  r.content, r.attach, r.client_type, r.send_time AS stored_at`
export const groupCopy = `x.msg_id AS number, x.client_msg_id, x.msg_from AS sender, x.group_id AS receiver, x.msg_type,
  x.content, x.attach, x.client_type, x.send_time AS stored_at`

/**
 * Of a message m in the session s of this user: has the peer, or has this user, read it? One's own message to a
 * group is never said to be read: who has read it is a question of its own.
 */
export const hasBeenRead = `coalesce(m.number <= CASE WHEN m.sender = s.user_id THEN s.peer_read_msg_id
  ELSE s.read_msg_id END, false) AS read`

export interface CopyRow {
  number: number
  client_msg_id: string
  sender: number
  receiver: number
  msg_type: number
  content: Buffer
  attach: string | null
  client_type: number
  stored_at: number
  read: boolean
}

export interface Numbered {
  /** Which question it answers, from 1. */
  question: number
}

/** Rows by the question that they answer, in order. */
export function byQuestion<Row extends Numbered>(rows: readonly Row[], questions: number): Row[][] {
  const answers = Array.from({ length: questions }, (): Row[] => [])
  for (const row of rows) answers[row.question - 1]?.push(row)
  return answers
}

/** A row as the ports have it. */
export const toCopy = (row: CopyRow): MessageCopy => ({
  server_msg_id: row.number,
  msg_id: row.client_msg_id,
  from_user_id: row.sender,
  to_session_id: row.receiver,
  msg_type: row.msg_type,
  msg_data: row.content,
  attach: row.attach,
  client_type: row.client_type,
  stored_time: row.stored_at,
  read: row.read,
})
