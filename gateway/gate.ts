/** What the handlers of packets work with. */
import { CIM } from '../proto/index.js'
import type { Config } from '../schemas/config.js'
import { isGroupId } from '../schemas/ids.js'
import type { Metrics } from '../schemas/metrics.js'
import { type CommandName, commandLabels, commands } from '../schemas/packets.js'
import type { Tracer } from '../schemas/tracer.js'
import type { CloseReason, Connection } from './connection.js'
import type { Following } from './following.js'
import type { ClientRequest, MessageNames, Pending, PendingRequest } from './pending.js'
import type { GateIdentity } from './ports.js'
import type { Publisher } from './publisher.js'
import { strike } from './rate.js'
import type { Reports } from './reports.js'
import type { Writer } from './writer.js'

const { CIMErrorCode, CIMResCode, CIMSessionType } = CIM.Def

export interface Gate {
  readonly config: Config
  readonly identity: GateIdentity
  readonly metrics: Metrics
  readonly writer: Writer
  readonly pending: Pending
  readonly publisher: Publisher
  readonly reports: Reports
  readonly following: Following
  readonly tracer: Tracer
  /** ms, monotonic */
  now(): number
  /** True: nothing may be forwarded (I9). */
  isSuspended(): boolean
  /** Ends a connection in the manner of the reason. */
  close(connection: Connection, reason: CloseReason): void
}

/** Tells that a packet could not be served. The header repeats the packet's seq_num, as an answer does. */
export function refuse(
  gate: Gate,
  connection: Connection,
  command_id: number,
  seq: number,
  result_code: CIM.Def.CIMErrorCode,
  result_string?: string,
): void {
  gate.writer.packet(connection, 'ERROR_NOTIFY', seq, {
    command_id,
    seq_num: seq,
    result_code,
    ...(result_string === undefined ? {} : { result_string }),
  })
}

/** BAD_REQUEST with a reason; the tenth within a minute ends the connection. */
export function badRequest(
  gate: Gate,
  connection: Connection,
  command_id: number,
  seq: number,
  reason: string,
): void {
  gate.metrics.count('packets_bad')
  refuse(gate, connection, command_id, seq, CIMErrorCode.kCIM_ERR_BAD_REQUEST, reason)
  connection.strikes ??= []
  if (strike(connection.strikes, gate.now())) gate.close(connection, 'bad-packets')
}

/** The gate's own ack of a message that goes no further. */
export function ackMessage(
  gate: Gate,
  connection: Connection,
  seq: number,
  { from_user_id, to_session_id, msg_id }: MessageNames,
  res_code: CIM.Def.CIMResCode,
): void {
  gate.writer.packet(connection, 'MSG_DATA_ACK', seq, {
    from_user_id,
    to_session_id,
    msg_id,
    res_code,
    session_type: isGroupId(to_session_id)
      ? CIMSessionType.kCIM_SESSION_TYPE_GROUP
      : CIMSessionType.kCIM_SESSION_TYPE_SINGLE,
  })
}

/**
 * SERVER_BUSY, in the manner of the command: nobody can say whether the request was served (spec 1-wire, last row of
 * "When a client misbehaves").
 */
export function answerBusy(gate: Gate, { connection, command, seq, message }: ClientRequest): void {
  gate.metrics.count('busy_answers', commandLabels[command])
  if (message !== undefined) {
    ackMessage(gate, connection, seq, message, CIMResCode.kCIM_RES_CODE_SERVER_BUSY)
  } else if (command === 'AUTH_TOKEN_REQ') {
    gate.writer.packet(connection, 'AUTH_TOKEN_RSP', seq, {
      server_time: Math.floor(Date.now() / 1_000),
      result_code: CIMErrorCode.kCIM_ERR_SERVER_BUSY,
      result_string: 'the server is busy, try again',
    })
    gate.metrics.count('logins', { outcome: 'busy' })
    gate.close(connection, 'busy')
  } else {
    refuse(gate, connection, commands[command].id, seq, CIMErrorCode.kCIM_ERR_SERVER_BUSY)
  }
}

/**
 * Begins a request that a worker answers: its place in the queue of those that wait, or undefined where the gate is
 * suspended and has said so to the client.
 */
export function beginRequest(
  gate: Gate,
  connection: Connection,
  command: CommandName,
  seq: number,
  message?: MessageNames,
): PendingRequest | undefined {
  if (!gate.isSuspended()) return gate.pending.add(connection, command, seq, message)
  answerBusy(gate, { connection, command, seq, message })
  return undefined
}

/** Who asks, for the event that carries a request. */
export const originOf = (gate: Gate, connection: Connection, seq_num: number) => ({
  gate_id: gate.identity.gate_id,
  gate_epoch: gate.identity.gate_epoch,
  connection_id: connection.id,
  login_number: connection.login_number,
  user_id: connection.user_id,
  device: connection.device,
  seq_num,
})
