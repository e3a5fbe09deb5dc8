/** AUTH_TOKEN_REQ: who is this? Judged by the login worker (spec 2, "Login, presence, kick" 2). */
import { commands } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import { badRequest, beginRequest, originOf } from '../gate.js'
import type { Verb } from './verb.js'

export const authToken: Verb<'AUTH_TOKEN_REQ'> = (gate, connection, seq, login) => {
  if (connection.state !== 'new')
    return badRequest(gate, connection, commands.AUTH_TOKEN_REQ.id, seq, 'this connection is logged in')
  const request = beginRequest(gate, connection, 'AUTH_TOKEN_REQ', seq)
  if (request === undefined) return
  connection.state = 'pending'
  connection.login_seq = seq
  connection.user_id = login.user_id
  connection.device = login.device_id
    ? { client_type: login.client_type, device_id: login.device_id }
    : { client_type: login.client_type }
  // Nothing is read from the socket until the answer is written.
  connection.transport.pause()
  const origin = originOf(gate, connection, seq)
  const { remote_address } = connection
  gate.publisher.submit(topics.requestLogin, { origin, login, remote_address, time: Date.now() }, request)
}
