/**
 * The gate's own topic: packets for its sockets and its HTTP requests, read from the end with a group of this epoch.
 * Nothing is written while the lease is in doubt: the records wait until it is held again (I9).
 */
import { coffeechat } from '../proto/index.js'
import type { Bus, Consumer, IncomingRecord, RecordBatch } from '../schemas/bus.js'
import type { Logger } from '../schemas/log.js'
import type { Metrics } from '../schemas/metrics.js'
import { fullName, topics } from '../schemas/topics.js'
import type { Tracer } from '../schemas/tracer.js'
import { markedTrace, tracesIn } from '../schemas/tracing.js'
import type { Broadcasts } from './broadcasts.js'
import type { Following } from './following.js'
import type { LeaseKeeper } from './lease.js'
import type { GateIdentity, RegisteredLogin } from './ports.js'
import type { Publisher } from './publisher.js'
import { traceWriting } from './spans.js'
import type { OutboundPacket, Target, Targets } from './targets.js'

interface OutboundOptions {
  readonly bus: Bus
  readonly prefix: string
  readonly identity: GateIdentity
  readonly targets: Targets
  readonly lease: Pick<LeaseKeeper, 'isSuspended' | 'isFenced' | 'whenHeld'>
  readonly onMissed: (packet: OutboundPacket, target: Target) => void
  /** A login was accepted for a connection that is gone. */
  readonly onOrphan: (login: RegisteredLogin) => void
  /** A packet for every connection of the gate. */
  readonly broadcasts: Pick<Broadcasts, 'take'>
  readonly metrics: Metrics
  readonly tracer: Tracer
  readonly following: Following
  readonly log: Logger
}

const wait_slice_ms = 250
const noTargets: readonly Target[] = []

/** Starts reading; the consumer's `ready` resolves when nothing published from then on is missed. */
export function consumeOutbound(options: OutboundOptions): Promise<Consumer> {
  const { bus, prefix, identity, lease } = options
  const waitForLease = async (batch: RecordBatch): Promise<boolean> => {
    while (lease.isSuspended() && !lease.isFenced() && batch.isOurs()) {
      await lease.whenHeld(wait_slice_ms)
      await batch.heartbeat()
    }
    return !lease.isSuspended()
  }
  return bus.consumer({
    group: `gate.${identity.gate_id}.${identity.gate_epoch}`,
    topics: [fullName(prefix, topics.gateOutbound, identity.gate_id)],
    start: 'end',
    onBatch: async (batch) => {
      for (const record of batch.records) {
        if (lease.isSuspended() && !(await waitForLease(batch))) return
        writeRecord(options, record)
      }
      options.following.batchEnded(batch.records[0]!.timestamp)
    },
  })
}

function writeRecord(options: OutboundOptions, { value, offset, headers }: IncomingRecord): void {
  let outbound: coffeechat.event.Outbound
  try {
    outbound = coffeechat.event.Outbound.decode(value)
  } catch (error) {
    options.log.error({ err: error, offset }, 'a record of the gate topic is not one')
    return
  }
  const traces = tracesIn(headers)
  for (const [at, packet] of outbound.packet.entries()) {
    const trace = traces?.[at]
    const span = trace === undefined ? trace : traceWriting(options, packet, trace)
    if (packet.broadcast) options.broadcasts.take(packet, packet.broadcast)
    for (const target of packet.target ?? noTargets) writePacket(options, packet, target)
    // The writer hands over what this turn has for a socket in a microtask, which was queued before this one.
    if (span !== undefined) queueMicrotask(() => span.end())
  }
}

function writePacket(options: OutboundOptions, packet: OutboundPacket, target: Target) {
  const { gate_epoch } = options.identity
  // Ours has been taken over: the newer gate reads this record too, and answers for it.
  if (target.gate_epoch > gate_epoch) return
  const sink = target.gate_epoch === gate_epoch ? options.targets.of(target.connection_id) : undefined
  if (sink?.deliver(packet, target)) {
    options.metrics.count('packets_delivered')
    return options.following.written(packet, target)
  }
  options.metrics.count('packets_missed')
  options.onMissed(packet, target)
  const { accepted, connection_id } = target
  if (!accepted || target.gate_epoch !== gate_epoch) return
  const { user_id, device, login_number } = accepted
  options.onOrphan({ user_id, device, connection_id, login_number, since: 0 })
}

/** Says that a message has not reached its reader (spec 2, "Single chat" 6). Answers and notifies are just dropped. */
export function reportMissed(
  { gate_id }: GateIdentity,
  publisher: Publisher,
  packet: OutboundPacket,
  { user_id, device, gate_epoch, connection_id, login_number }: Target,
): void {
  const { ref, msg_type } = packet
  if (!ref || !user_id || !device) return
  const missed = {
    login: { user_id, device, gate_id, gate_epoch, connection_id, login_number },
    ref,
    time: Date.now(),
    ...(msg_type ? { msg_type } : {}),
  }
  publisher.submit(topics.deliveryMissed, missed, undefined, markedTrace(packet))
}
