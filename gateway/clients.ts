/** The life of a connection: accepted, its login judged, online, closed. */
import { CIM } from '../proto/index.js'
import type { Received, Violation } from './codec/frame.js'
import {
  type CloseReason,
  type Connection,
  type ConnectionLimits,
  closings,
  isOpen,
  newConnection,
  type Transport,
} from './connection.js'
import { deliverTo } from './deliver.js'
import { answerBusy, type Gate, refuse } from './gate.js'
import { receive } from './packets/receive.js'
import type { DevicePresence, RegisteredLogin } from './ports.js'
import type { OutboundPacket, Target, Targets } from './targets.js'

export interface Clients {
  /** A socket was accepted. `opened_at`: ms, monotonic, of the accept. */
  open(transport: Transport, remote_address: string, opened_at: number): Connection
  /** What the client sent, as packets. */
  receive(connection: Connection, received: Received): void
  close(connection: Connection, reason: CloseReason): void
  /** The socket is no more, whoever ended it. */
  closed(connection: Connection): void
  /** Every connection whose socket is not closed yet. */
  all(): Iterable<Connection>
  count(): number
  /** Registers all devices again after a lost lease; closes those whose place was taken (I9). Rejects when Redis is away. */
  registerAll(): Promise<void>
  /** Closes who is late: with the login, with a sign of life, or with closing. Called about once a second. */
  sweep(): void
}

interface ClientsOptions {
  readonly gate: Gate
  readonly targets: Targets
  readonly limits: ConnectionLimits
  readonly presence: DevicePresence
  /** A connection that was online is so no more. */
  readonly onLeft: (login: RegisteredLogin) => void
  /** A device had been taken offline while the lease was lost, and is registered again. */
  readonly onReturned: (login: RegisteredLogin) => void
  /** A packet of the bus that waited for this connection's login will not reach it. */
  readonly onMissed: (packet: OutboundPacket, target: Target) => void
}

/** How long a client may take to close its side. */
const closing_grace_ms = 2_000
const register_max = 500

const { CIMErrorCode, CIMKickReason } = CIM.Def

export function createClients(options: ClientsOptions): Clients {
  const { gate, targets, limits } = options
  const all = new Set<Connection>()

  const serve = (connection: Connection, frames: Received['frames']): void => {
    for (const frame of frames) {
      if (connection.state === 'pending') connection.heldFrames.push(frame)
      else if (isOpen(connection)) receive(gate, limits, connection, frame)
    }
  }

  /** The login was accepted: what the client sent meanwhile, and then whatever comes. */
  const onOnline = (connection: Connection): void => {
    const frames = connection.heldFrames
    connection.heldFrames = []
    serve(connection, frames)
    connection.transport.resume()
  }

  return {
    open(transport, remote_address, opened_at) {
      const connection = newConnection(transport, remote_address, opened_at, limits)
      connection.id = targets.open({
        deliver: (packet, target) => deliverTo(gate, connection, packet, target, onOnline),
      })
      all.add(connection)
      gate.metrics.count('connections_opened')
      return connection
    },
    receive(connection, { frames, violation }) {
      if (!isOpen(connection)) return
      if (frames.length > 0) connection.last_packet_at = gate.now()
      serve(connection, frames)
      if (violation !== undefined && isOpen(connection)) endForViolation(gate, connection, violation)
    },
    close: (connection, reason) => end(options, connection, reason),
    closed(connection) {
      if (isOpen(connection)) end(options, connection, 'gone')
      connection.state = 'closed'
      all.delete(connection)
    },
    all: () => all,
    count: () => all.size,
    registerAll: () => registerAll(options, all),
    sweep: () => sweep(options, all),
  }
}

function endForViolation(gate: Gate, connection: Connection, violation: Violation) {
  if (violation.kind === 'length') return gate.close(connection, 'length')
  const { commandId, seq, version } = violation
  const code = CIMErrorCode.kCIM_ERR_UNSUPPORTED_VERSION
  refuse(gate, connection, commandId, seq, code, `version ${version} is not served`)
  gate.close(connection, 'version')
}

function end(
  { gate, targets, onLeft, onMissed }: ClientsOptions,
  connection: Connection,
  reason: CloseReason,
): void {
  const { abrupt, code } = closings[reason]
  if (!abrupt && isOpen(connection)) gate.writer.flush(connection)
  if (!isOpen(connection)) return
  gate.metrics.count('connections_closed', { reason })
  const before = connection.state
  connection.state = 'closing'
  connection.closing_at = gate.now()
  targets.close(connection.id)
  gate.pending.forget(connection)
  if (before === 'online') onLeft(loginOf(connection))
  if (before === 'pending') connection.transport.resume()
  for (const { packet, target } of connection.heldPackets) onMissed(packet, target)
  connection.heldPackets = []
  connection.heldFrames = []
  if (abrupt) connection.transport.destroy()
  else connection.transport.end(code)
}

const loginOf = ({ user_id, device, id, login_number, since }: Connection): RegisteredLogin => ({
  user_id,
  device,
  connection_id: id,
  login_number,
  since,
})

const isOnline = ({ state }: Connection): boolean => state === 'online'

async function registerAll(
  { gate, presence, onReturned }: ClientsOptions,
  all: ReadonlySet<Connection>,
): Promise<void> {
  // A login judged while the lease was lost may be gone from the directory again: it is asked for anew.
  for (const connection of all)
    if (connection.state === 'pending')
      answerBusy(gate, {
        connection,
        command: 'AUTH_TOKEN_REQ',
        seq: connection.login_seq,
        message: undefined,
      })
  const connections = [...all]
  for (let at = 0; at < connections.length; at += register_max) {
    const online = connections.slice(at, at + register_max).filter(isOnline)
    const registered = online.length === 0 ? [] : await presence.register(online.map(loginOf))
    online.forEach((connection, index) => {
      if (registered[index] === false) endReplaced(gate, connection)
      else if (registered[index] === 'returned') onReturned(loginOf(connection))
    })
  }
}

/** A newer login holds this one's place. */
function endReplaced(gate: Gate, connection: Connection): void {
  gate.writer.packet(connection, 'KICK_NOTIFY', undefined, {
    user_id: connection.user_id,
    client_type: connection.device.client_type,
    reason: CIMKickReason.kCIM_KICK_REASON_SAME_DEVICE_LOGIN,
  })
  gate.close(connection, 'replaced')
}

function sweep({ gate }: ClientsOptions, all: ReadonlySet<Connection>): void {
  const now = gate.now()
  const { AUTH_TIMEOUT_MS, HEARTBEAT_TIMEOUT_MS } = gate.config
  for (const connection of all) {
    const { state, opened_at, last_packet_at, closing_at } = connection
    if (state === 'new' && now - opened_at >= AUTH_TIMEOUT_MS) gate.close(connection, 'auth-timeout')
    else if (state === 'online' && now - last_packet_at >= HEARTBEAT_TIMEOUT_MS)
      gate.close(connection, 'silent')
    else if (state === 'closing' && now - closing_at >= closing_grace_ms) connection.transport.destroy()
  }
}
