/** GET_RECEIPTS_REQ: who has received and who has read an own message (spec 2, "Read and unread"). */
import { topics } from '../../schemas/topics.js'
import { beginRequest, originOf } from '../gate.js'
import { isOwn, type Verb } from './verb.js'

export const receipts: Verb<'GET_RECEIPTS_REQ'> = (gate, connection, seq, receipts) => {
  if (!isOwn(gate, connection, 'GET_RECEIPTS_REQ', seq, receipts.user_id)) return
  const request = beginRequest(gate, connection, 'GET_RECEIPTS_REQ', seq)
  if (request === undefined) return
  const origin = originOf(gate, connection, seq)
  gate.publisher.submit(topics.requestQuery, { origin, receipts, time: Date.now() }, request)
}
