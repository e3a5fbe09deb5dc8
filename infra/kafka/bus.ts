/** The bus on Kafka. Everything that knows kafkajs is in this folder. */
import { type Bus, BusUnavailable, type Consumer, type Producer } from '../../schemas/bus.js'
import { createAdmin } from './admin.js'
import type { BusSettings } from './client.js'
import { createConsumer } from './consumer.js'
import { createProducer } from './producer.js'
import { brokerVersions, incompatibleRequests } from './versions.js'

export type { BusSettings } from './client.js'

const firstAnswer_ms = 5_000

async function checkVersions(settings: BusSettings): Promise<void> {
  const faults = incompatibleRequests(await brokerVersions(settings, firstAnswer_ms))
  if (faults.length > 0) throw new Error(`these brokers cannot be used: ${faults.join('; ')}`)
}

function exitOnDead(settings: BusSettings): (reason: string) => void {
  return (reason) => {
    settings.log.error({ reason }, 'a consumer cannot go on: exiting')
    process.exit(1)
  }
}

/**
 * The bus, once a broker has answered.
 * @throws BusUnavailable when none answers within 5 s
 * @throws Error when broker and client share no version of a request
 */
export async function createBus(settings: BusSettings): Promise<Bus> {
  await checkVersions(settings)
  const admin = createAdmin(settings)
  const onDead = settings.onDead ?? exitOnDead(settings)
  const producers = new Set<Producer>()
  const consumers = new Set<Consumer>()

  return {
    async producer(name, options) {
      const producer = createProducer(settings, admin, name, options)
      producers.add(producer)
      return producer
    },
    async consumer(options) {
      const consumer = await createConsumer({ settings, admin, onDead }, options)
      consumers.add(consumer)
      return consumer
    },
    ensureTopics: admin.ensureTopics,
    deleteTopics: admin.deleteTopics,
    listTopics: admin.listTopics,
    async isReachable(timeoutMs) {
      try {
        await brokerVersions(settings, timeoutMs)
        return true
      } catch (error) {
        if (error instanceof BusUnavailable) return false
        throw error
      }
    },
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.stop()))
      await Promise.all([...producers].map((producer) => producer.close()))
      await admin.close()
    },
  }
}
