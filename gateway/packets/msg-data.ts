/** MSG_DATA: a message to be stored. Acked by message-store after COMMIT, or refused here (spec 2, "Single chat" 1). */
import { CIM } from '../../proto/index.js'
import { commands } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import { ackMessage, badRequest, beginRequest, originOf } from '../gate.js'
import { addressFault, isOwn, type Verb } from './verb.js'

const { CIMMsgType, CIMResCode } = CIM.Def

/** NOTIFICATION and ROBOT come from the server only. */
const isServersType = (msg_type: number): boolean =>
  msg_type === CIMMsgType.kCIM_MSG_TYPE_NOTIFICATION || msg_type === CIMMsgType.kCIM_MSG_TYPE_Robot

export const msgData: Verb<'MSG_DATA'> = (gate, connection, seq, message) => {
  const { to_session_id } = message
  const fault = addressFault(message.session_type, to_session_id)
  if (fault !== undefined) return badRequest(gate, connection, commands.MSG_DATA.id, seq, fault)
  if (message.msg_data.length > gate.config.MAX_MESSAGE_BYTES)
    return ackMessage(gate, connection, seq, message, CIMResCode.kCIM_RES_CODE_TOO_LARGE)
  if (!isOwn(gate, connection, 'MSG_DATA', seq, message.from_user_id)) return
  if (isServersType(message.msg_type))
    return ackMessage(gate, connection, seq, message, CIMResCode.kCIM_RES_CODE_ERROR)

  const names = { from_user_id: message.from_user_id, to_session_id, msg_id: message.msg_id }
  const request = beginRequest(gate, connection, 'MSG_DATA', seq, names)
  if (request === undefined) return
  // What only the server says of a message.
  message.server_msg_id = null
  message.msg_feature = null
  message.from_nick_name = null
  // The event's header has it.
  message.traceparent = null
  const origin = originOf(gate, connection, seq)
  gate.publisher.submit(topics.messageSubmitted, { origin, message, received_time: Date.now() }, request)
}
