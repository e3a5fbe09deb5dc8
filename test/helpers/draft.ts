import type { Draft } from '../../workers/ports/webhooks.js'

/** A message that is not stored yet, from 1001 to 1002. */
export const draft = (msg_id = 'm', changes: Partial<Draft> = {}): Draft => ({
  from_user_id: 1001,
  to_session_id: 1002,
  conversation: 'c:1001:1002',
  msg_id,
  msg_type: 1,
  msg_data: Buffer.from('hello'),
  attach: null,
  mention: [],
  client_type: 2,
  time: 5,
  ...changes,
})
