/** A message on its way into the tables. */
import { randomUUID } from 'node:crypto'
import { conversationOf } from '../../schemas/ids.js'
import type { NewMessage } from '../../workers/ports/messages.js'

/** One that says hello, under a msg_id of its own; `more` overrides its fields. */
export const message = (from: number, to: number, more: Partial<NewMessage> = {}): NewMessage => ({
  from_user_id: from,
  to_session_id: to,
  msg_id: randomUUID(),
  conversation: conversationOf(from, to),
  msg_type: 1,
  msg_data: Buffer.from('hello'),
  attach: null,
  mention: [],
  msg_seq: 1,
  client_type: 2,
  ...more,
})
