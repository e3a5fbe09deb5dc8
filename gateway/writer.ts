/**
 * Packets to the sockets. What one turn of the event loop has for a connection leaves in one write, whether it came
 * from the bus or from the gate itself. A reader who leaves too much unsent is closed (spec 1-wire, "When a client
 * misbehaves").
 */
import { type CommandName, commands, type WritableBodyOf } from '../schemas/packets.js'
import { headerBytes, writeHeader, writePacket } from './codec/frame.js'
import { encodeBody } from './codec/packet.js'
import { type Connection, isOpen, nextSeq } from './connection.js'

export interface Writer {
  /** A packet whose body is already bytes. `seq` repeats the request's; undefined: the server's own count. */
  bytes(connection: Connection, command_id: number, seq: number | undefined, body: Uint8Array): void
  /** A packet of the gate's own making. */
  packet<Name extends CommandName>(
    connection: Connection,
    name: Name,
    seq: number | undefined,
    body: WritableBodyOf<Name>,
  ): void
  /** Hands over now what this connection is to get, before it is closed. */
  flush(connection: Connection): void
}

interface WriterOptions {
  readonly max_unsent_bytes: number
  /** Answers above it may be longer than a reader may leave unsent. */
  readonly long_answer_bytes: number
  readonly onSlow: (connection: Connection) => void
}

/** From here on a body is not copied for each of its readers; below, one buffer is cheaper than two. */
const shared_body_bytes = 4_096

export function createWriter({ max_unsent_bytes, long_answer_bytes, onSlow }: WriterOptions): Writer {
  let touched: Connection[] = []

  const flush = (connection: Connection): void => {
    const { outbox, outbox_bytes, transport } = connection
    if (outbox.length === 0) return
    connection.outbox = []
    connection.outbox_bytes = 0
    // The exemption ends when the system has taken the long answer.
    if (connection.exempt_bytes > 0)
      transport.send(outbox, outbox_bytes, () => {
        connection.exempt_bytes = 0
      })
    else transport.send(outbox, outbox_bytes)
    if (transport.unsentBytes() - connection.exempt_bytes > max_unsent_bytes) onSlow(connection)
  }

  const flushTouched = (): void => {
    const connections = touched
    touched = []
    for (const connection of connections) flush(connection)
  }

  const bytes: Writer['bytes'] = (connection, command_id, seq, body) => {
    if (!isOpen(connection)) return
    if (connection.outbox.length === 0 && touched.push(connection) === 1) queueMicrotask(flushTouched)
    const length = headerBytes + body.length
    if (length > long_answer_bytes && seq !== undefined && connection.exempt_bytes === 0)
      connection.exempt_bytes = length
    const sent_seq = seq ?? nextSeq(connection)
    if (body.length < shared_body_bytes) connection.outbox.push(writePacket(command_id, sent_seq, body))
    else connection.outbox.push(writeHeader(command_id, sent_seq, body.length), body)
    connection.outbox_bytes += length
  }

  return {
    bytes,
    packet: (connection, name, seq, body) =>
      bytes(connection, commands[name].id, seq, encodeBody(name, body)),
    flush,
  }
}
