/** The spans of a gate: of a client's packet until its answer, and of what a worker has for the sockets. */
import { answerOf, type CommandName, commandName } from '../schemas/packets.js'
import { topics } from '../schemas/topics.js'
import {
  destination,
  noTracer,
  type Span,
  type SpanStart,
  spanWithin,
  type Tracer,
} from '../schemas/tracer.js'
import { markTrace, parseTrace, type Trace } from '../schemas/tracing.js'
import type { Connection } from './connection.js'
import type { GateIdentity } from './ports.js'
import type { OutboundPacket } from './targets.js'

/** What bodies of packets may have. */
interface Named {
  readonly traceparent?: string | null
  readonly msg_id?: string
}

const arrival = (name: CommandName, { user_id }: Connection, { msg_id }: Named): SpanStart => ({
  name,
  kind: 'server',
  attributes: {
    ...(user_id === 0 ? {} : { 'user.id': String(user_id) }),
    ...(msg_id === undefined ? {} : { 'messaging.message.id': msg_id }),
  },
})

/** A packet begins to be served: what it belongs to, and its span where that is recorded. */
export function traceArrival(tracer: Tracer, connection: Connection, name: CommandName, body: object): void {
  const named = body as Named
  if (tracer === noTracer && !named.traceparent) {
    connection.trace = undefined
    return
  }
  const given = named.traceparent ? parseTrace(named.traceparent) : undefined
  const start = () => arrival(name, connection, named)
  // Acks and heartbeats are not worth a trace of their own.
  const isWorth = given === undefined && answerOf(name) !== undefined && name !== 'HEARTBEAT'
  connection.span = isWorth && tracer.picks() ? tracer.begin(start()) : spanWithin(tracer, given, start)
  connection.trace = connection.span?.trace ?? given
}

/** The packet has been served, but for its answer: where one is due, its request ends the span. */
export function endArrival(connection: Connection): void {
  connection.span?.end()
  connection.span = undefined
}

interface WritingOptions {
  readonly tracer: Tracer
  readonly prefix: string
  readonly identity: GateIdentity
}

/** Marks a packet on its way to the sockets of this gate with its trace; its span, where that is recorded. */
export function traceWriting(
  { tracer, prefix, identity }: WritingOptions,
  packet: OutboundPacket,
  trace: Trace,
): Span | undefined {
  const { command_id, target, ref } = packet
  const span = spanWithin(tracer, trace, () => ({
    name: `write ${commandName(command_id ?? 0) ?? 'HTTP'}`,
    kind: 'consumer',
    attributes: {
      'messaging.system': 'kafka',
      'messaging.operation.name': 'write',
      'messaging.operation.type': 'process',
      ...destination(prefix, topics.gateOutbound, identity.gate_id),
      'messaging.batch.message_count': target?.length ?? 0,
      ...(ref ? { 'messaging.message.id': ref.msg_id } : {}),
    },
  }))
  markTrace(packet, span?.trace ?? trace)
  return span
}
