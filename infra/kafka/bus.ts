/** The bus on Kafka. Everything that knows kafkajs is in this folder. */
import { type Bus, BusRefused, BusUnavailable } from '../../schemas/bus.js'
import { createAdmin } from './admin.js'
import { seekAdmission } from './admission.js'
import type { BusSettings } from './client.js'
import { createConsumer, type MeasuredConsumer } from './consumer.js'
import { firstAnswering } from './first-words.js'
import { createOutage } from './outage.js'
import { createProducer, type MeasuredProducer } from './producer.js'
import { askVersions } from './versions.js'

export type { BusObserver, BusSettings } from './client.js'

const firstAnswer_ms = 5_000

function exitOnDead(settings: BusSettings): (reason: string) => void {
  return (reason) => {
    settings.log.error({ reason }, 'a consumer cannot go on: exiting')
    process.exit(1)
  }
}

/** The bus, and what of it is behind or waits; reading that asks nobody. */
export interface MeasuredBus extends Bus {
  /** Records that are not handled yet in the partitions of this process, by consumer group without prefix. */
  lags(): ReadonlyMap<string, number>
  /** Records that wait for a send, by producer. */
  queues(): ReadonlyMap<string, number>
}

function sums(parts: readonly (readonly [string, number])[]): ReadonlyMap<string, number> {
  const total = new Map<string, number>()
  for (const [name, part] of parts) total.set(name, (total.get(name) ?? 0) + part)
  return total
}

/**
 * The bus, once a broker has answered.
 * @throws BusUnavailable when none answers within 5 s
 * @throws BusRefused when they cannot be used as they are, or as we are set up
 */
export async function createBus(settings: BusSettings): Promise<MeasuredBus> {
  await seekAdmission(settings, firstAnswer_ms)
  const admin = createAdmin(settings)
  const outage = createOutage(settings.log)
  const onDead = settings.onDead ?? exitOnDead(settings)
  const producers = new Set<[string, MeasuredProducer]>()
  const consumers = new Set<[string, MeasuredConsumer]>()

  return {
    async producer(name, options) {
      const producer = createProducer({ settings, admin, outage }, name, options)
      producers.add([name, producer])
      return producer
    },
    async consumer(options) {
      const consumer = await createConsumer({ settings, admin, onDead }, options)
      consumers.add([options.group, consumer])
      return consumer
    },
    ensureTopics: admin.ensureTopics,
    deleteTopics: admin.deleteTopics,
    listTopics: admin.listTopics,
    async isReachable(timeoutMs) {
      try {
        await firstAnswering(settings, timeoutMs, askVersions)
        return true
      } catch (error) {
        if (error instanceof BusUnavailable || error instanceof BusRefused) return false
        throw error
      }
    },
    lags: () => sums([...consumers].map(([group, consumer]) => [group, consumer.lag()])),
    queues: () => sums([...producers].map(([name, producer]) => [name, producer.queued()])),
    async close() {
      await Promise.all([...consumers].map(([, consumer]) => consumer.stop()))
      await Promise.all([...producers].map(([, producer]) => producer.close()))
      await admin.close()
    },
  }
}
