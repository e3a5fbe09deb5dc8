/** GET_MSG_BY_ID_REQ: messages by their msg_id, every match (spec 2, "Pulling"). */
import { topics } from '../../schemas/topics.js'
import { beginRequest, originOf } from '../gate.js'
import { mayAskAbout, type Verb } from './verb.js'

export const msgById: Verb<'GET_MSG_BY_ID_REQ'> = (gate, connection, seq, by_id) => {
  if (!mayAskAbout(gate, connection, 'GET_MSG_BY_ID_REQ', seq, by_id)) return
  const request = beginRequest(gate, connection, 'GET_MSG_BY_ID_REQ', seq)
  if (request === undefined) return
  const origin = originOf(gate, connection, seq)
  gate.publisher.submit(topics.requestQuery, { origin, by_id, time: Date.now() }, request)
}
