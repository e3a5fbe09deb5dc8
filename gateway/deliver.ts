/** A packet of the bus to one connection, whose login may still be being judged. */
import { coffeechat } from '../proto/index.js'
import { commands } from '../schemas/packets.js'
import type { Connection } from './connection.js'
import { answerBusy, type Gate } from './gate.js'
import { addressed, pushReached } from './pushes.js'
import type { OutboundPacket, Target } from './targets.js'

import event = coffeechat.event

const acceptedLogin = { outcome: 'accepted' }
const refusedLogin = { outcome: 'refused' }

/** Packets that may wait for one login's answer. */
const held_max = 1_000

/** Writes a push to an online connection, at the server's own count. */
export function writePush(gate: Gate, connection: Connection, packet: OutboundPacket): void {
  gate.metrics.count('packets_delivered')
  write(gate, connection, packet, {})
}

const write = (
  gate: Gate,
  connection: Connection,
  packet: OutboundPacket,
  target: Pick<Target, 'seq_num'>,
): void => {
  const { push_id, body } = packet
  const bytes = push_id ? addressed(connection.user_id, body) : body
  gate.writer.bytes(connection, packet.command_id!, target.seq_num ?? undefined, bytes)
  if (push_id) pushReached(gate, connection, push_id, event.PushStep.PUSH_STEP_WRITTEN)
  if (packet.close) gate.close(connection, 'told-by-worker')
}

/**
 * Writes a packet, or holds it while the login is being judged. False: it is for another login than this
 * connection's, or there is no room left to hold it.
 * @param onOnline called when the packet was the answer that accepts the login
 */
export function deliverTo(
  gate: Gate,
  connection: Connection,
  packet: OutboundPacket,
  target: Target,
  onOnline: (connection: Connection) => void,
): boolean {
  if (connection.state === 'online') {
    if (target.login_number !== connection.login_number) return false
    const { seq_num } = target
    if (seq_num !== null && seq_num !== undefined)
      gate.pending.settle(connection, seq_num, packet.command_id!)
    write(gate, connection, packet, target)
    return true
  }
  if (connection.state !== 'pending') return false
  if (packet.command_id === commands.AUTH_TOKEN_RSP.id) {
    finishLogin(gate, connection, packet, target, onOnline)
    return true
  }
  if (packet.close) {
    // Kicked before the answer came: there will be nothing to wait for.
    write(gate, connection, packet, target)
    return true
  }
  return connection.heldPackets.length < held_max && connection.heldPackets.push({ packet, target }) > 0
}

function finishLogin(
  gate: Gate,
  connection: Connection,
  packet: OutboundPacket,
  target: Target,
  onOnline: (connection: Connection) => void,
) {
  gate.pending.settle(connection, connection.login_seq, commands.AUTH_TOKEN_RSP.id)
  const { accepted } = target
  if (!accepted) return finishRefused(gate, connection, packet, target)
  connection.user_id = accepted.user_id
  connection.device = accepted.device
  connection.login_number = accepted.login_number
  connection.since = Date.now()
  connection.state = 'online'
  gate.metrics.count('logins', acceptedLogin)
  write(gate, connection, packet, target)
  const held = connection.heldPackets
  connection.heldPackets = []
  for (const each of held) deliverTo(gate, connection, each.packet, each.target, onOnline)
  onOnline(connection)
}

/** The answer to a wrong token may have to wait (spec 2, "Login, presence, kick" 2). */
function finishRefused(gate: Gate, connection: Connection, packet: OutboundPacket, target: Target): void {
  const answer = () => {
    if (connection.state !== 'pending') return
    if (gate.isSuspended())
      return answerBusy(gate, {
        connection,
        command: 'AUTH_TOKEN_REQ',
        seq: connection.login_seq,
        message: undefined,
      })
    gate.metrics.count('logins', refusedLogin)
    gate.writer.bytes(connection, packet.command_id!, target.seq_num ?? connection.login_seq, packet.body)
    gate.close(connection, 'refused')
  }
  if (packet.delay_ms) setTimeout(answer, packet.delay_ms)
  else answer()
}
