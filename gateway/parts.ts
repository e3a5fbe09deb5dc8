/** The parts of a gate and how they hang together, without its listeners. */
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { commandLabels } from '../schemas/packets.js'
import { recordStyle } from '../schemas/topic-settings.js'
import { type Admission, createAdmission } from './admission.js'
import { type Broadcasts, createBroadcasts } from './broadcasts.js'
import { type Clients, createClients } from './clients.js'
import type { HttpContext } from './context.js'
import { writePush } from './deliver.js'
import { createFollowing } from './following.js'
import { answerBusy, type Gate } from './gate.js'
import { createLeaseKeeper, type LeaseKeeper } from './lease.js'
import { reportMissed } from './outbound.js'
import { createPending } from './pending.js'
import type { DevicePresence, GateAddresses, GateLease, ReportLedger } from './ports.js'
import { createPresenceChanges, type PresenceChanges } from './presence.js'
import { createPublisher, type Publisher } from './publisher.js'
import type { RateLimit } from './rate.js'
import { createReports } from './reports.js'
import { createTargets, type OutboundPacket, type Target, type Targets } from './targets.js'
import { createWriter } from './writer.js'

/** What the gate gives to its REST API itself; the rest comes from the composition root. */
type OwnContext = 'targets' | 'reports' | 'publish' | 'isSuspended' | 'isReady' | 'isOpen'

export interface GatewayPorts extends Omit<HttpContext, OwnContext> {
  readonly lease: GateLease
  readonly presence: DevicePresence
  readonly reportLedger: ReportLedger
  /** A newer gate has this id: all sockets are closed, the process should end. */
  readonly onFenced: () => void
}

/** ms, monotonic; it goes on while the process is stopped. */
export const now = (): number => performance.now()

/** Everything of a gate but its listeners. */
export interface Parts {
  readonly gate: Gate
  readonly clients: Clients
  readonly targets: Targets
  readonly lease: LeaseKeeper
  readonly publisher: Publisher
  readonly changes: PresenceChanges
  readonly admission: Admission
  readonly broadcasts: Broadcasts
  readonly onMissed: (packet: OutboundPacket, target: Target) => void
}

const twice = (per_second: number): RateLimit => ({ per_second, burst: 2 * per_second })

const broadcastsOf = (gate: Gate, clients: Clients, lease: LeaseKeeper): Broadcasts =>
  createBroadcasts({
    connections: clients.all,
    write: (connection, packet) => writePush(gate, connection, packet),
    lease,
    rate: gate.config.PUSH_BROADCAST_RATE,
    now: Date.now,
    pause,
  })

/** Makes the parts; nothing is read or written yet. */
export async function assemble(ports: GatewayPorts, addresses: () => GateAddresses): Promise<Parts> {
  const { config, identity, bus, metrics, tracer, log, presence } = ports
  const prefix = config.TOPIC_PREFIX
  const style = recordStyle(config)
  const lease = createLeaseKeeper({
    lease_ms: config.LEASE_MS,
    now,
    renew: () => ports.lease.renew(addresses(), clients.count()),
    registerAll: () => clients.registerAll(),
    onFenced() {
      changes.stop()
      for (const connection of clients.all()) clients.close(connection, 'fenced')
      ports.onFenced()
    },
    log,
  })
  const { isSuspended } = lease
  const pending = createPending({
    timeout_ms: config.MESSAGE_ACK_TIMEOUT_MS,
    now,
    onAnswered: (command, duration_ms) =>
      metrics.observe('request_duration_ms', duration_ms, commandLabels[command]),
    onLate: (request) => answerBusy(gate, request),
  })
  const publisher = await createPublisher({
    bus,
    prefix,
    lanes: config.TOPIC_PARTITIONS,
    isSuspended,
    onFailed: pending.fail,
    tracer,
    log,
  })
  const { publish } = publisher
  const reports = createReports({ style, ledger: ports.reportLedger, publish, tracer })
  const changes = createPresenceChanges({ gate_id: identity.gate_id, style, presence, publish, log })
  const writer = createWriter({
    max_unsent_bytes: config.MAX_SEND_BUFFER_BYTES,
    long_answer_bytes: config.MAX_PACKET_BYTES,
    onSlow: (connection) => gate.close(connection, 'slow'),
  })
  const close: Gate['close'] = (connection, reason) => clients.close(connection, reason)
  const gate: Gate = {
    config,
    identity,
    metrics,
    writer,
    pending,
    publisher,
    reports,
    following: createFollowing(metrics, now),
    tracer,
    now,
    isSuspended,
    close,
  }
  const onMissed = (packet: OutboundPacket, target: Target): void =>
    reportMissed(identity, publisher, packet, target)
  const targets = createTargets()
  const clients: Clients = createClients({
    gate,
    targets,
    limits: { packets: twice(config.RATE_LIMIT_PACKETS), acks: twice(config.RATE_LIMIT_ACKS) },
    presence,
    onLeft: changes.left,
    onReturned: changes.returned,
    onMissed,
  })
  const broadcasts = broadcastsOf(gate, clients, lease)
  const connectionLimit = {
    per_second: config.RATE_LIMIT_CONNECTIONS,
    burst: 4 * config.RATE_LIMIT_CONNECTIONS,
  }
  const admission = createAdmission(connectionLimit, now)
  metrics.gauge('connections', clients.count)
  metrics.gauge('requests_pending', pending.size)
  metrics.gauge('lease_held', () => (isSuspended() ? 0 : 1))
  return { gate, clients, targets, lease, publisher, changes, admission, broadcasts, onMissed }
}
