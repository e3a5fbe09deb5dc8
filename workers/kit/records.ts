/** From what a worker emitted to records: grouped, packed, published, or kept as dead letters. */
import { type IncomingRecord, type OutgoingRecord, type Producer, UnknownTopic } from '../../schemas/bus.js'
import { deadLetterHeaders as names } from '../../schemas/dead-letters.js'
import { packEvents } from '../../schemas/packing.js'
import { type AnyTopic, deadLetterName, fullName, type RecordStyle, recordOf } from '../../schemas/topics.js'
import {
  markedTrace,
  markTrace,
  type Trace,
  type Traces,
  traceHeader,
  tracesHeader,
  withTraces,
} from '../../schemas/tracing.js'
import type { Emit } from './worker.js'

/** An event that can never be used. */
export interface Rejected {
  readonly record: IncomingRecord
  /** What goes to the dead letters: the record's value, or of a packed one only this event's. */
  readonly value: Buffer
  readonly reason: string
  /** Of the event, where the record is packed. */
  readonly trace?: Trace | undefined
}

/** What a worker emitted over an event of this partition. */
export interface Emitted {
  readonly emit: Emit
  readonly partition: number
  readonly trace: Trace | undefined
}

/** Events of one topic that may share records, in order. */
interface Group {
  readonly topic: AnyTopic
  readonly instance: string | undefined
  readonly partition: number
  readonly events: unknown[]
  /** By the events' places; empty where none has one. */
  readonly traces: (Trace | undefined)[]
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
    const group = groups.get(name) ?? {
      ...{ topic, instance, partition: each.partition },
      ...{ events: [], traces: [] },
    }
    if (group.events.length === 0) groups.set(name, group)
    if (each.trace !== undefined) group.traces[group.events.length] = each.trace
    group.events.push(event)
  }
  return [...groups.values()].flatMap((group) => recordsOf(style, group))
}

function recordsOf(style: RecordStyle, group: Group): OutgoingRecord[] {
  const { topic, instance, partition, events, traces } = group
  if (topic.packed !== undefined) return packedRecords(style.prefix, group)
  const toRecord = (event: unknown) => recordOf(style, topic, event, instance, partition)
  if (topic.merge === undefined)
    return events.map((event, at) =>
      traces[at] === undefined ? toRecord(event) : withTraces(toRecord(event), [traces[at]], 1),
    )
  if (traces.length === 0) return topic.merge(events).map(toRecord)
  markParts(topic, events, traces)
  return topic.merge(events).map((event: unknown) => {
    const parts = topic.parts?.(event) ?? []
    return withTraces(toRecord(event), parts.map(markedTrace), parts.length)
  })
}

/** What is merged forgets which event it came from. */
function markParts({ parts }: AnyTopic, events: readonly unknown[], traces: Traces): void {
  for (const [at, event] of events.entries()) {
    const trace = traces[at]
    if (trace !== undefined) for (const part of parts?.(event) ?? []) markTrace(part, trace)
  }
}

const packedEvents = 500
const packedBytes = 256 * 1024

function packedRecords(prefix: string, { topic, events, traces, partition }: Group): OutgoingRecord[] {
  const records: OutgoingRecord[] = []
  const place = {
    topic: fullName(prefix, topic),
    key: null,
    ...(topic.beside ? { partition } : {}),
  }
  let parts: Uint8Array[] = []
  let size_bytes = 0
  const close = (end: number) => {
    const own = traces.slice(end - parts.length, end)
    const record = { ...place, value: packEvents(parts) }
    if (parts.length > 0) records.push(traces.length === 0 ? record : withTraces(record, own, parts.length))
    parts = []
    size_bytes = 0
  }
  for (const [at, event] of events.entries()) {
    const bytes = topic.encode(event)
    if (parts.length === packedEvents || size_bytes + bytes.length > packedBytes) close(at)
    parts.push(bytes)
    size_bytes += bytes.length
  }
  close(events.length)
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
export function deadLetter(group: string, { record, value, reason, trace }: Rejected): OutgoingRecord {
  const { topic, partition, offset, key } = record
  // The list is of the events that it came with.
  const { [tracesHeader]: list, ...own } = record.headers
  return {
    topic: deadLetterName(topic, group),
    key,
    value,
    headers: {
      ...(trace === undefined ? record.headers : { ...own, [traceHeader]: trace }),
      [names.reason]: reason.slice(0, 1_000),
      [names.topic]: topic,
      [names.partition]: String(partition),
      [names.offset]: String(offset),
      [names.group]: group,
      [names.time]: String(Date.now()),
    },
  }
}
