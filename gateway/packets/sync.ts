/** SYNC_REQ: a page of the user's timeline over all conversations (spec 2, "Pulling"). */
import { topics } from '../../schemas/topics.js'
import { beginRequest, originOf } from '../gate.js'
import { isOwn, type Verb } from './verb.js'

export const sync: Verb<'SYNC_REQ'> = (gate, connection, seq, sync) => {
  if (!isOwn(gate, connection, 'SYNC_REQ', seq, sync.user_id)) return
  const request = beginRequest(gate, connection, 'SYNC_REQ', seq)
  if (request === undefined) return
  const origin = originOf(gate, connection, seq)
  gate.publisher.submit(topics.requestQuery, { origin, sync, time: Date.now() }, request)
}
