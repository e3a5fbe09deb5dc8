/**
 * One packet of a client, through the checks in the order of the spec: (length and version are the frame reader's)
 * logged in, command known, rate, parse and limits, identity. The last is each command's own.
 */
import { CIM } from '../../proto/index.js'
import { type CommandName, clientCommandName, commandLabels, commands } from '../../schemas/packets.js'
import type { Frame } from '../codec/frame.js'
import { decodePacket } from '../codec/packet.js'
import type { Connection, ConnectionLimits } from '../connection.js'
import { ackMessage, badRequest, type Gate, refuse } from '../gate.js'
import { takeToken } from '../rate.js'
import { endArrival, traceArrival } from '../spans.js'
import { authToken } from './auth-token.js'
import { contactVerbs } from './contacts.js'
import { groupVerbs } from './groups.js'
import { heartbeat } from './heartbeat.js'
import { history } from './history.js'
import { latestMsgId } from './latest-msg-id.js'
import { logout } from './logout.js'
import { msgById } from './msg-by-id.js'
import { msgData } from './msg-data.js'
import { msgDataAck } from './msg-data-ack.js'
import { msgReadAck } from './msg-read-ack.js'
import { orgVerbs } from './org.js'
import { pushDataAck } from './push-ack.js'
import { receipts } from './receipts.js'
import { report } from './report.js'
import { sessionList } from './session-list.js'
import { sessionUpdate } from './session-update.js'
import { sync } from './sync.js'
import type { Verb } from './verb.js'

const { CIMErrorCode, CIMResCode } = CIM.Def

/** The commands that this gate serves; any other is unknown to it. */
const verbs: { readonly [Name in CommandName]?: Verb<Name> } = {
  AUTH_TOKEN_REQ: authToken,
  LOGOUT_REQ: logout,
  HEARTBEAT: heartbeat,
  RECENT_CONTACT_SESSION_REQ: sessionList,
  MSG_LIST_REQ: history,
  MSG_DATA: msgData,
  MSG_DATA_ACK: msgDataAck,
  MSG_READ_ACK: msgReadAck,
  GET_LATEST_MSG_ID_REQ: latestMsgId,
  GET_MSG_BY_ID_REQ: msgById,
  ...groupVerbs,
  ...contactVerbs,
  ...orgVerbs,
  GET_RECEIPTS_REQ: receipts,
  SYNC_REQ: sync,
  SESSION_UPDATE_REQ: sessionUpdate,
  REPORT_REQ: report,
  PUSH_DATA_ACK: pushDataAck,
}

/** These have a limit of their own, beyond which the connection ends (spec 1-wire, "When a client misbehaves"). */
const isAck = (name: CommandName): boolean =>
  name === 'HEARTBEAT' || name === 'MSG_DATA_ACK' || name === 'PUSH_DATA_ACK'

/** Serves one packet of a connection that is open and whose login is not being judged. */
export function receive(gate: Gate, limits: ConnectionLimits, connection: Connection, frame: Frame) {
  const { commandId, seq } = frame
  if (connection.state !== 'online' && commandId !== commands.AUTH_TOKEN_REQ.id) {
    refuse(gate, connection, commandId, seq, CIMErrorCode.kCIM_ERR_NOT_AUTHENTICATED, 'log in first')
    return gate.close(connection, 'not-authenticated')
  }
  const name = clientCommandName(commandId)
  const verb = name === undefined ? undefined : verbs[name]
  if (name === undefined || verb === undefined)
    return refuse(gate, connection, commandId, seq, CIMErrorCode.kCIM_ERR_UNKNOWN_COMMAND)
  gate.metrics.count('packets_received', commandLabels[name])

  if (isAck(name)) {
    if (!takeToken(connection.acks, limits.acks, gate.now())) return gate.close(connection, 'ack-rate')
  } else if (!takeToken(connection.packets, limits.packets, gate.now()))
    return tooMany(gate, connection, name, frame)

  const decoded = decodePacket(name, frame.body)
  if (!decoded.ok) return badRequest(gate, connection, commandId, seq, decoded.reason)
  traceArrival(gate.tracer, connection, name, decoded.body)
  // The table pairs each name with the handler of its body.
  ;(verb as Verb<CommandName>)(gate, connection, seq, decoded.body)
  endArrival(connection)
}

/** RATE_LIMITED: a message's ack names the message, so its body is read all the same. */
function tooMany(gate: Gate, connection: Connection, name: CommandName, { commandId, seq, body }: Frame) {
  gate.metrics.count('packets_rate_limited')
  const message = name === 'MSG_DATA' ? decodePacket('MSG_DATA', body) : undefined
  if (message?.ok)
    return ackMessage(gate, connection, seq, message.body, CIMResCode.kCIM_RES_CODE_RATE_LIMITED)
  refuse(gate, connection, commandId, seq, CIMErrorCode.kCIM_ERR_RATE_LIMITED)
}
