/** Topics as the brokers know them, and the records that carry their events. */
import type { OutgoingRecord, TopicSettings } from './bus.js'
import { protobufHeaders } from './business-codec.js'
import { packEvents, unpackEvents } from './packing.js'
import type { AnyTopic, EventOf } from './topic.js'

/** One answer is one record. */
export const answerBytes = 6 * 1024 * 1024

/** Where a record that a consumer group could not use is kept, with the reason in its headers. */
export const deadLetterName = (topicName: string, group: string): string => `${topicName}.${group}.dlq`

/** The full name on the brokers. */
export const fullName = (prefix: string, each: AnyTopic, instance = ''): string =>
  prefix + each.name.replace('{}', instance)

const deadLetterRetention_ms = 30 * 86_400_000

/**
 * Broker settings of one topic. Records that fall due later, and login numbers, go by the broker's clock.
 * @param busyPartitions partitions of the topics that carry every message
 */
export function topicSettings(
  each: AnyTopic,
  prefix: string,
  busyPartitions: number,
  instance = '',
): TopicSettings {
  return {
    name: fullName(prefix, each, instance),
    partitions: each.partitions === 'busy' ? busyPartitions : each.partitions,
    config: {
      'cleanup.policy': 'delete',
      'retention.ms': String(each.retention_ms),
      'message.timestamp.type': 'LogAppendTime',
      ...(each.maxMessageBytes === undefined ? {} : { 'max.message.bytes': String(each.maxMessageBytes) }),
    },
  }
}

/** Broker settings of a dead-letter topic. */
export const deadLetterSettings = (each: AnyTopic, group: string, prefix: string): TopicSettings => ({
  name: deadLetterName(fullName(prefix, each), group),
  partitions: 1,
  config: {
    'cleanup.policy': 'delete',
    'retention.ms': String(deadLetterRetention_ms),
    'max.message.bytes': String(answerBytes),
  },
})

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** How this system writes to its topics. */
export interface RecordStyle {
  /** TOPIC_PREFIX */
  readonly prefix: string
  /** Topics of businesses whose records are protobuf, by name; undefined: none. */
  readonly inProtobuf?: ReadonlySet<string>
}

/**
 * The record that carries an event to its topic.
 * @param beside the partition of the event that this one follows from
 */
export const recordOf = <T extends AnyTopic>(
  { prefix, inProtobuf }: RecordStyle,
  each: T,
  event: EventOf<T>,
  instance?: string,
  beside?: number,
): OutgoingRecord => {
  const isProtobuf = each.encodeProtobuf !== undefined && inProtobuf?.has(each.name) === true
  const bytes = asBuffer(isProtobuf ? each.encodeProtobuf!(event) : each.encode(event))
  const value = each.packed === undefined ? bytes : packEvents([bytes])
  const partition = each.beside ? beside : each.lane?.(event)
  const headers = isProtobuf ? protobufHeaders : each.headers?.(event)
  const record = {
    topic: fullName(prefix, each, instance),
    key: each.key(event),
    value,
    ...(headers === undefined ? {} : { headers }),
  }
  return partition === undefined ? record : { ...record, partition }
}

/**
 * The bytes of each event in a record of this topic.
 * @throws RangeError where a packed record is cut
 */
export const eventsIn = (each: AnyTopic, value: Buffer): Buffer[] =>
  each.packed === undefined ? [value] : unpackEvents(value)
