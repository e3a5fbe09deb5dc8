/**
 * A producer that neither loses nor doubles what it acked: one send in flight, idempotent, and a new kafkajs
 * producer after every failure (with several sends in flight, or after a failed one, kafkajs' own bookkeeping
 * acks records that never arrived).
 */
import type {
  ICustomPartitioner,
  Producer as KafkaProducer,
  Message,
  PartitionMetadata,
  RecordMetadata,
  TopicMessages,
} from 'kafkajs'
import {
  BusUnavailable,
  type OutgoingRecord,
  type Producer,
  type ProducerOptions,
} from '../../schemas/bus.js'
import type { Admin } from './admin.js'
import { createBatcher, type Link } from './batcher.js'
import { type BusSettings, clientConnect_ms, createClient } from './client.js'
import { createKnownTopics } from './known-topics.js'
import { murmur2 } from './murmur.js'
import type { Outage } from './outage.js'
import { atMost, sleep, within } from './patience.js'
import { createSockets, type Sockets } from './socket.js'

const deadline_ms = 5_000
const request_ms = 5_000
const reconnect_ms = { first: 100, most: 1_000 }
const allReplicas = -1
const largest = 0x7fffffff
/** Of a reason. */
const maxFaults = 3

/** A producer that says how much waits in it. */
export interface MeasuredProducer extends Producer {
  /** Records that wait for a send. */
  queued(): number
}

/** One kafkajs producer, from its connection to its first failure. */
interface Incarnation {
  readonly producer: KafkaProducer
  readonly sockets: Sockets
  /** To be called before each send: records without a key go to another partition than last time. */
  nextSend(): void
  /** Why it failed, with what the brokers said meanwhile: kafkajs keeps that to itself while it tries again. */
  explain(error: unknown): string
}

/** Faults of one client, of which the last few different ones are kept. */
function collectFaults() {
  let faults: string[] = []
  return {
    add(reason: string): void {
      faults = [...faults.filter((each) => each !== reason), reason].slice(-maxFaults)
    },
    forget(): void {
      faults = []
    },
    explain: (error: unknown): string => [...new Set([(error as Error).message, ...faults])].join('; '),
  }
}

/**
 * Murmur2 by key; records without one share a partition within a send and take turns between sends. The choice
 * is written on the message, so that kafkajs' retries find the same one and the broker sees the repeat.
 */
function createSpreading(): { partitioner: ICustomPartitioner; nextSend: () => void } {
  let sends = Math.floor(Math.random() * 1_000)

  function spread(partitions: readonly PartitionMetadata[]): number {
    const led = partitions.filter(({ leader }) => leader >= 0)
    const usable = led.length > 0 ? led : partitions
    return usable[sends % usable.length]!.partitionId
  }

  return {
    partitioner:
      () =>
      ({ message, partitionMetadata }) => {
        message.partition ??= message.key == null ? spread(partitionMetadata) : murmur2(message.key) & largest
        // By key, or chosen by the caller without knowing how many there are.
        message.partition %= partitionMetadata.length
        return message.partition
      },
    nextSend: () => {
      sends += 1
    },
  }
}

function byTopic(records: readonly OutgoingRecord[]): TopicMessages[] {
  const topics = new Map<string, Message[]>()
  for (const { topic, key, value, headers, partition } of records) {
    const message: Message = { key, value }
    if (headers !== undefined) message.headers = { ...headers }
    if (partition !== undefined) message.partition = partition
    const messages = topics.get(topic)
    if (messages === undefined) topics.set(topic, [message])
    else messages.push(message)
  }
  return [...topics].map(([topic, messages]) => ({ topic, messages }))
}

/**
 * What was given to a send and is in a partition that its result does not name: kafkajs may resolve without
 * having sent to a partition whose leader moved meanwhile.
 */
export function notSent(
  sent: readonly TopicMessages[],
  result: readonly Pick<RecordMetadata, 'topicName' | 'partition'>[],
): TopicMessages[] {
  const acked = new Set(result.map(({ topicName, partition }) => `${topicName}/${partition}`))
  return sent
    .map(({ topic, messages }) => ({
      topic,
      messages: messages.filter(({ partition }) => !acked.has(`${topic}/${partition}`)),
    }))
    .filter(({ messages }) => messages.length > 0)
}

async function incarnate(
  settings: BusSettings,
  beforeSend: (() => boolean) | undefined,
): Promise<Incarnation> {
  const sockets = createSockets({ connect: settings.connect, mayProduce: beforeSend })
  const { partitioner, nextSend } = createSpreading()
  const faults = collectFaults()
  const producer = createClient(settings, sockets, request_ms, faults.add).producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: partitioner,
  })
  try {
    await within(clientConnect_ms(settings), producer.connect())
    return {
      producer,
      sockets,
      nextSend() {
        faults.forget()
        nextSend()
      },
      explain: faults.explain,
    }
  } catch (error) {
    sockets.destroy()
    throw new BusUnavailable(faults.explain(error), { cause: error })
  }
}

/** What all producers of a process share. */
export interface ProducerParts {
  readonly settings: BusSettings
  readonly admin: Admin
  readonly outage: Outage
}

/** The way to the brokers: connects by itself, and again after each failure. */
function createLink({ settings, admin, outage }: ProducerParts, name: string, beforeSend?: () => boolean) {
  let current: Incarnation | undefined
  let connecting: Promise<void> | undefined
  let closed = false
  const known = createKnownTopics(admin)

  async function connect(): Promise<void> {
    for (let pause_ms = reconnect_ms.first; !closed; pause_ms = Math.min(pause_ms * 2, reconnect_ms.most)) {
      try {
        current = await incarnate(settings, beforeSend)
        if (closed) throwAway()
        return
      } catch (error) {
        outage.failed(name, (error as Error).message)
        await sleep(pause_ms)
      }
    }
  }

  function throwAway(): void {
    current?.sockets.destroy()
    current = undefined
    known.forget()
  }

  async function ready(): Promise<void> {
    if (current === undefined && !closed) {
      connecting ??= connect().finally(() => {
        connecting = undefined
      })
      await connecting
    }
    if (closed) throw new BusUnavailable('the producer is closed')
  }

  async function sendAll(incarnation: Incarnation, records: readonly OutgoingRecord[]): Promise<void> {
    incarnation.nextSend()
    let missing = byTopic(records)
    while (missing.length > 0) {
      const result = await incarnation.producer.sendBatch({ acks: allReplicas, topicMessages: missing })
      missing = notSent(missing, result)
    }
  }

  async function send(records: readonly OutgoingRecord[], limit_ms: number): Promise<void> {
    const mine = current
    if (mine === undefined) throw new BusUnavailable('not connected')
    const topics = known.watch(new Set(records.map(({ topic }) => topic)))
    const begun = performance.now()
    try {
      await within(limit_ms, Promise.race([sendAll(mine, records), topics.gone]))
      settings.observer?.sent(name, records.length, performance.now() - begun)
      outage.passed()
    } catch (error) {
      settings.observer?.sendFailed(name)
      // A gate whose lease is over is held back by us, not by the brokers.
      if (beforeSend?.() !== false) outage.failed(name, mine.explain(error))
      throwAway()
      throw error
    } finally {
      topics.stop()
    }
  }

  const link: Link = { ready, unknownTopics: known.unknownAmong, send }
  return {
    link,
    close() {
      closed = true
      throwAway()
    },
  }
}

/**
 * A producer that is usable at once; it connects in the background.
 * @param name for the log
 */
export function createProducer(
  parts: ProducerParts,
  name: string,
  options: ProducerOptions = {},
): MeasuredProducer {
  const { link, close } = createLink(parts, name, options.beforeSend)
  const batcher = createBatcher({ link, deadline_ms, beforeSend: options.beforeSend })
  link.ready().catch(() => undefined)
  return {
    publish: batcher.publish,
    queued: batcher.queued,
    async close() {
      await atMost(deadline_ms, batcher.close())
      close()
    },
  }
}
