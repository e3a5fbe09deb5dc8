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

export interface RecordReader {
  /** What was read so far, with the reason where it is a dead letter. */
  readonly records: readonly { readonly value: Buffer; readonly headers: Readonly<Record<string, string>> }[]
  close(): Promise<void>
}

/** The bare records of a topic by its full name. */
export async function readRecords({ kafka, prefix }: System, name: string): Promise<RecordReader> {
  const records: RecordReader['records'][number][] = []
  const client = new Kafka({ brokers: [kafka], logLevel: logLevel.NOTHING })
  const consumer = client.consumer({ groupId: `${prefix}reader-${randomUUID()}`, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topic: name, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message }) => {
      const headers = Object.entries(message.headers ?? {}).map(([header, text]) => [header, String(text)])
      records.push({ value: message.value!, headers: Object.fromEntries(headers) })
    },
  })
  return { records, close: () => consumer.disconnect() }
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
