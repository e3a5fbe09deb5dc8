/** The least that brings a message over Kafka: what our yardsticks are made of. */
import '../infra/kafka/timers.js' // without kafkajs' 1 ms timers, as in every process of ours
import { connect } from 'node:net'
import { Kafka, logLevel, type Message, Partitioners } from 'kafkajs'

const partitions = 4
/** Of a request, so that even in one partition they stay below what a broker takes. */
const messagesAtOnce = 4_000

/** @param brokers host:port, comma-separated @param topics are made */
export async function openKafka(brokers: string, topics: readonly string[]) {
  const kafka = new Kafka({
    brokers: brokers.split(','),
    logLevel: logLevel.NOTHING,
    socketFactory: ({ host, port, onConnect }) => connect({ host, port, noDelay: true }, onConnect),
  })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: partitions })) })
  async function removeTopics(): Promise<void> {
    await admin.deleteTopics({ topics: [...topics] })
    await admin.disconnect()
  }
  return { kafka, removeTopics }
}

/**
 * Sends at once when nothing is in flight, otherwise collects until the last send has returned.
 * @param sent is told what the broker has
 */
export async function openBatcher(
  kafka: Kafka,
  topic: string,
  sent: (messages: Message[]) => void = () => {},
) {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const queue: Message[] = []
  let busy = false
  async function flush(): Promise<void> {
    busy = true
    while (queue.length > 0) {
      const messages = queue.splice(0, messagesAtOnce)
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

/** Reads a topic from its beginning. @param take one fetch's messages of a partition; the next ones wait for it */
export async function openConsumer(
  kafka: Kafka,
  topic: string,
  take: (messages: Message[]) => Promise<void> | void,
) {
  const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 250, minBytes: 1 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: partitions,
    eachBatch: async ({ batch }) => take(batch.messages.map(({ key, value }) => ({ key, value }))),
  })
  await joined
  return { close: () => consumer.disconnect() }
}
