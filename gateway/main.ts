/** A gate: sockets in, events out; packets of its own topic back to the sockets. Started by the composition root. */
import type { Consumer } from '../schemas/bus.js'
import { topicSettings, topics } from '../schemas/topics.js'
import { addressesOf, type BoundPorts } from './addresses.js'
import { sayGoodbye, sendAway } from './drain.js'
import { listen } from './listeners.js'
import { consumeOutbound } from './outbound.js'
import { assemble, type GatewayPorts, now, type Parts } from './parts.js'
import type { GateAddresses } from './ports.js'

export type { GatewayPorts } from './parts.js'

export interface Gateway {
  readonly ports: BoundPorts
  readonly addresses: GateAddresses
  isReady(): boolean
  /** Drains and leaves. */
  stop(): Promise<void>
}

const sweep_ms = 1_000
const settle_ms = 5_000

/** Looks at all connections about once a second; a frozen process first reads what has arrived meanwhile. */
function keepSweeping({ clients, admission, gate }: Parts): NodeJS.Timeout {
  const { AUTH_TIMEOUT_MS, HEARTBEAT_TIMEOUT_MS } = gate.config
  const interval_ms = Math.max(50, Math.min(sweep_ms, AUTH_TIMEOUT_MS / 4, HEARTBEAT_TIMEOUT_MS / 4))
  let last = now()
  return setInterval(() => {
    const isLate = now() - last > 2 * interval_ms + sweep_ms
    last = now()
    if (isLate) return
    clients.sweep()
    admission.sweep()
  }, interval_ms)
}

/**
 * Takes the lease, reads the gate's topic, and only then listens for clients.
 * @throws Error where a newer gate has the id, or a port cannot be bound
 */
export async function startGateway(ports: GatewayPorts): Promise<Gateway> {
  const { config, identity, bus, directory } = ports
  let addresses: GateAddresses = {}
  let isStopping = false
  const parts = await assemble(ports, () => addresses)
  const { lease, targets, changes, gate, clients, admission, broadcasts, onMissed } = parts
  const topic = topicSettings(
    topics.gateOutbound,
    config.TOPIC_PREFIX,
    config.TOPIC_PARTITIONS,
    identity.gate_id,
  )
  await bus.ensureTopics([topic])
  await lease.start()
  const prefix = config.TOPIC_PREFIX
  const { following } = gate
  const own = { prefix, targets, lease, broadcasts, following, onMissed, onOrphan: changes.left }
  const consumer = await consumeOutbound({ ...ports, ...own })
  await consumer.ready
  const isReady = (): boolean => !isStopping && consumer.isReady() && !lease.isSuspended()
  const listeners = await listen(ports, parts, { isReady, isOpen: () => !isStopping })
  const where = addressesOf(config, listeners.bound, ports.certificate !== undefined)
  const announce = (told: GateAddresses): Promise<void> => {
    addresses = told
    // Where it fails the next renewal says it.
    return lease.renew().catch(() => {})
  }
  const sweeping = keepSweeping(parts)
  await announce(where)

  return {
    ports: listeners.bound,
    addresses: where,
    isReady,
    async stop() {
      isStopping = true
      listeners.stop()
      admission.stop()
      // Nobody is sent here any more.
      await announce({})
      broadcasts.stop()
      await sendAway(gate, clients, directory, where)
      await Promise.all([sayGoodbye(gate, clients), listeners.http.stop()])
      await changes.settled(settle_ms)
      clearInterval(sweeping)
      await leave(ports, parts, consumer)
    },
  }
}

/** Nobody is connected any more: the bus and Redis hear that the gate is gone. */
async function leave(ports: GatewayPorts, { lease, changes, publisher, gate }: Parts, consumer: Consumer) {
  lease.stop()
  changes.stop()
  gate.pending.stop()
  await consumer.stop()
  await publisher.close()
  await ports.lease.release().catch((error: unknown) => {
    // It ends by itself.
    ports.log.warn({ err: error }, 'the lease was not given back')
  })
}
