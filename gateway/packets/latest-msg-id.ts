/** GET_LATEST_MSG_ID_REQ: the newest message of one conversation (spec 2, "Pulling"). */
import { topics } from '../../schemas/topics.js'
import { beginRequest, originOf } from '../gate.js'
import { mayAskAbout, type Verb } from './verb.js'

export const latestMsgId: Verb<'GET_LATEST_MSG_ID_REQ'> = (gate, connection, seq, latest) => {
  if (!mayAskAbout(gate, connection, 'GET_LATEST_MSG_ID_REQ', seq, latest)) return
  const request = beginRequest(gate, connection, 'GET_LATEST_MSG_ID_REQ', seq)
  if (request === undefined) return
  const origin = originOf(gate, connection, seq)
  gate.publisher.submit(topics.requestQuery, { origin, latest, time: Date.now() }, request)
}
