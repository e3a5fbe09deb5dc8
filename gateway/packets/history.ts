/** MSG_LIST_REQ: a page of one conversation's messages (spec 2, "Pulling"). */
import { commands } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import { badRequest, beginRequest, originOf } from '../gate.js'
import { mayAskAbout, type Verb } from './verb.js'

export const history: Verb<'MSG_LIST_REQ'> = (gate, connection, seq, history) => {
  const { HISTORY_LIMIT_MAX } = gate.config
  if (history.limit_count > HISTORY_LIMIT_MAX) {
    const reason = `limit_count is above ${HISTORY_LIMIT_MAX}`
    return badRequest(gate, connection, commands.MSG_LIST_REQ.id, seq, reason)
  }
  if (!mayAskAbout(gate, connection, 'MSG_LIST_REQ', seq, history)) return
  const request = beginRequest(gate, connection, 'MSG_LIST_REQ', seq)
  if (request === undefined) return
  const origin = originOf(gate, connection, seq)
  gate.publisher.submit(topics.requestQuery, { origin, history, time: Date.now() }, request)
}
