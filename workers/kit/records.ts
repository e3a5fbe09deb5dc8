/** From what a worker emitted to records: grouped, packed, published, or kept as dead letters. */
import { type IncomingRecord, type OutgoingRecord, type Producer, UnknownTopic } from '../../schemas/bus.js'
import { deadLetterHeaders as names } from '../../schemas/dead-letters.js'
import { packEvents } from '../../schemas/packing.js'
import { type AnyTopic, deadLetterName, fullName, type RecordStyle, recordOf } from '../../schemas/topics.js'
import type { Emit } from './worker.js'

/** An event that can never be used. */
export interface Rejected {
  readonly record: IncomingRecord
  /** What goes to the dead letters: the record's value, or of a packed one only this event's. */
  readonly value: Buffer
  readonly reason: string
}

/** What a worker emitted over an event of this partition. */
export interface Emitted {
  readonly emit: Emit
  readonly partition: number
}

/** Events of one topic that may share records, in order. */
interface Group {
  readonly topic: AnyTopic
  readonly instance: string | undefined
  readonly partition: number
  readonly events: unknown[]
}

/** Apart is what goes to different gates, or beside events of different partitions. */
function groupName(prefix: string, { emit: { topic, instance }, partition }: Emitted): AnyTopic | string {
  if (instance !== undefined) return fullName(prefix, topic, instance)
  return topic.beside ? `${topic.name}/${partition}` : topic
}

/** Events for the same place become one record where their topic says how; order per topic is kept. */
export function toRecords(style: RecordStyle, emitted: readonly Emitted[]): OutgoingRecord[] {
  const groups = new Map<AnyTopic | string, Group>()
  for (const each of emitted) {
    const { topic, event, instance } = each.emit
    const name = groupName(style.prefix, each)
    const group = groups.get(name)
    if (group) group.events.push(event)
    else groups.set(name, { topic, instance, partition: each.partition, events: [event] })
  }
  return [...groups.values()].flatMap(({ topic, instance, partition, events }) =>
    topic.packed === undefined
      ? (topic.merge?.(events) ?? events).map((event: unknown) =>
          recordOf(style, topic, event, instance, partition),
        )
      : packedRecords(style.prefix, topic, events, partition),
  )
}

const packedEvents = 500
const packedBytes = 256 * 1024

function packedRecords(
  prefix: string,
  topic: AnyTopic,
  events: readonly unknown[],
  partition: number,
): OutgoingRecord[] {
  const records: OutgoingRecord[] = []
  const place = {
    topic: fullName(prefix, topic),
    key: null,
    ...(topic.beside ? { partition } : {}),
  }
  let parts: Uint8Array[] = []
  let size_bytes = 0
  const close = () => {
    if (parts.length > 0) records.push({ ...place, value: packEvents(parts) })
    parts = []
    size_bytes = 0
  }
  for (const event of events) {
    const bytes = topic.encode(event)
    if (parts.length === packedEvents || size_bytes + bytes.length > packedBytes) close()
    parts.push(bytes)
    size_bytes += bytes.length
  }
  close()
  return records
}

/** Names of the topics that are one per gate, among those of these events. */
export const gateTopics = (prefix: string, emitted: readonly Emitted[]): ReadonlySet<string> =>
  new Set(
    emitted.flatMap(({ emit: { topic, instance } }) =>
      instance === undefined ? [] : [fullName(prefix, topic, instance)],
    ),
  )

/**
 * Publishes all. Records for a gate whose topic is gone are left out: its devices count as offline, which the
 * delivery check and the presence sweep take care of (spec 2, "Stopping and starting").
 */
export async function publishAll(
  producer: Producer,
  records: readonly OutgoingRecord[],
  perGate: ReadonlySet<string>,
): Promise<void> {
  if (records.length === 0) return
  try {
    await producer.publish(records)
  } catch (error) {
    if (!(error instanceof UnknownTopic)) throw error
    const gone = new Set([...error.topics].filter((name) => perGate.has(name)))
    if (gone.size === 0) throw error
    await publishAll(
      producer,
      records.filter(({ topic }) => !gone.has(topic)),
      perGate,
    )
  }
}

/** The original bytes, with what is needed to find out why and to send them again to this group only. */
export function deadLetter(group: string, { record, value, reason }: Rejected): OutgoingRecord {
  const { topic, partition, offset, key } = record
  return {
    topic: deadLetterName(topic, group),
    key,
    value,
    headers: {
      ...record.headers,
      [names.reason]: reason.slice(0, 1_000),
      [names.topic]: topic,
      [names.partition]: String(partition),
      [names.offset]: String(offset),
      [names.group]: group,
      [names.time]: String(Date.now()),
    },
  }
}
