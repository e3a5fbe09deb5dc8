/**
 * Three empty Kafka hops: each message is produced and consumed three times and nothing is done with it.
 * What no path over this bus can beat; the yardstick where tools/floor.mjs is absent.
 */
import '../infra/kafka/timers.js' // without kafkajs' 1 ms timers, as in every process of ours
import { connect } from 'node:net'
import { Kafka, logLevel, type Message, Partitioners } from 'kafkajs'
import type { Path, PathEvents } from './path.js'

const hopCount = 3
const partitions = 4
const payloadBytes = 150

/** Sends at once when nothing is in flight, otherwise collects until the last send has returned. */
async function openBatcher(kafka: Kafka, topic: string, sent: (messages: Message[]) => void) {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  let queue: Message[] = []
  let busy = false
  async function flush(): Promise<void> {
    busy = true
    while (queue.length > 0) {
      const messages = queue
      queue = []
      await producer.send({ topic, messages, acks: -1 })
      sent(messages)
    }
    busy = false
  }
  return {
    add(message: Message) {
      queue.push(message)
      if (!busy && queue.length === 1) setImmediate(() => void flush())
    },
    close: () => producer.disconnect(),
  }
}

async function openConsumer(kafka: Kafka, topic: string, take: (message: Message) => void) {
  const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 250, minBytes: 1 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: partitions,
    eachBatch: async ({ batch }) => {
      for (const { key, value } of batch.messages) take({ key, value })
    },
  })
  await joined
  return { close: () => consumer.disconnect() }
}

/**
 * Makes three topics and joins them into one way. A message counts as answered once the broker has it in the
 * first, as delivered when it was fetched from the last.
 * @param brokers host:port, comma-separated
 */
export async function openHops(brokers: string, pairs: number, events: PathEvents): Promise<Path> {
  const kafka = new Kafka({
    brokers: brokers.split(','),
    logLevel: logLevel.NOTHING,
    socketFactory: ({ host, port, onConnect }) => connect({ host, port, noDelay: true }, onConnect),
  })
  const run = Date.now()
  const topics = Array.from({ length: hopCount }, (_, hop) => `bench-hop.${run}.${hop}`)
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: partitions })) })

  const indexOf = ({ value }: Message) => (value as Buffer).readUInt32BE(0)
  const batchers = await Promise.all(
    topics.map((topic, hop) =>
      openBatcher(kafka, topic, (messages) => {
        if (hop === 0) for (const message of messages) events.answered(indexOf(message), 0)
      }),
    ),
  )
  const consumers = await Promise.all(
    topics.map((topic, hop) =>
      openConsumer(kafka, topic, (message) => {
        const next = batchers[hop + 1]
        if (next !== undefined) next.add(message)
        else events.delivered(indexOf(message))
      }),
    ),
  )
  return {
    pairs,
    send(pair, index) {
      const value = Buffer.alloc(payloadBytes)
      value.writeUInt32BE(index, 0)
      batchers[0]?.add({ key: `pair ${pair}`, value })
    },
    faults: () => [],
    async close() {
      await Promise.all([...consumers, ...batchers].map((each) => each.close()))
      await admin.deleteTopics({ topics })
      await admin.disconnect()
    },
  }
}
