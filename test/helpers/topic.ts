/** What lies on a topic of a running system, read as a business would: a consumer group of its own, from the start. */
import { randomUUID } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'
import { type AnyTopic, type EventOf, fullName } from '../../schemas/topics.js'
import type { System } from './system.js'

export interface TopicReader<Event> {
  /** All that was read so far, in order per key. */
  readonly events: readonly Event[]
  close(): Promise<void>
}

export async function readTopic<T extends AnyTopic>(
  { kafka, prefix }: System,
  topic: T,
): Promise<TopicReader<EventOf<T>>> {
  const events: EventOf<T>[] = []
  const client = new Kafka({ brokers: [kafka], logLevel: logLevel.NOTHING })
  const consumer = client.consumer({ groupId: `${prefix}reader-${randomUUID()}`, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topic: fullName(prefix, topic), fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message }) => void events.push(topic.decode(message.value!)),
  })
  return { events, close: () => consumer.disconnect() }
}
