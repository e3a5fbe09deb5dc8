/** RECENT_CONTACT_SESSION_REQ: the user's conversations (spec 2, "Pulling"). */
import { topics } from '../../schemas/topics.js'
import { beginRequest, originOf } from '../gate.js'
import { isOwn, type Verb } from './verb.js'

export const sessionList: Verb<'RECENT_CONTACT_SESSION_REQ'> = (gate, connection, seq, sessions) => {
  if (!isOwn(gate, connection, 'RECENT_CONTACT_SESSION_REQ', seq, sessions.user_id)) return
  const request = beginRequest(gate, connection, 'RECENT_CONTACT_SESSION_REQ', seq)
  if (request === undefined) return
  const origin = originOf(gate, connection, seq)
  gate.publisher.submit(topics.requestQuery, { origin, sessions, time: Date.now() }, request)
}
