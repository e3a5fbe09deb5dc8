/** SESSION_UPDATE_REQ: the user pins, mutes, deletes or annotates a session (spec 2, "Session settings"). */
import { commands } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import { badRequest, beginRequest, originOf } from '../gate.js'
import { mayAskAbout, type Verb } from './verb.js'

export const sessionUpdate: Verb<'SESSION_UPDATE_REQ'> = (gate, connection, seq, update) => {
  if (!mayAskAbout(gate, connection, 'SESSION_UPDATE_REQ', seq, update)) return
  const { is_pinned, is_muted, session_status, draft, extend_data } = update
  if ([is_pinned, is_muted, session_status, draft, extend_data].every((setting) => setting === null))
    return badRequest(gate, connection, commands.SESSION_UPDATE_REQ.id, seq, 'names no setting')
  const request = beginRequest(gate, connection, 'SESSION_UPDATE_REQ', seq)
  if (request === undefined) return
  const origin = originOf(gate, connection, seq)
  gate.publisher.submit(topics.requestSession, { origin, update, time: Date.now() }, request)
}
