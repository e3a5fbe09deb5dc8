/** LOGOUT_REQ: goes the way of logins, so that it cannot overtake one (spec 2, "Login, presence, kick" 6). */
import { commands } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import { badRequest, beginRequest, originOf } from '../gate.js'
import { isOwn, type Verb } from './verb.js'

export const logout: Verb<'LOGOUT_REQ'> = (gate, connection, seq, logout) => {
  if (logout.client_type !== connection.device.client_type)
    return badRequest(gate, connection, commands.LOGOUT_REQ.id, seq, "client_type is not this connection's")
  if (!isOwn(gate, connection, 'LOGOUT_REQ', seq, logout.user_id)) return
  const request = beginRequest(gate, connection, 'LOGOUT_REQ', seq)
  if (request === undefined) return
  const origin = originOf(gate, connection, seq)
  const { remote_address } = connection
  gate.publisher.submit(topics.requestLogin, { origin, logout, remote_address, time: Date.now() }, request)
}
