/**
 * The frame around every worker, written once (style: "The runner"):
 * decode the batch → load → decide each → save in one transaction → produce all → the adapter marks the offsets.
 * A throw means that the world is ill: nothing is committed, the adapter backs off and hands the batch again.
 * A bad event is never thrown: it goes to the dead letters, and its partition moves on (I8).
 */
import {
  type Bus,
  type Consumer,
  type IncomingRecord,
  type OutgoingRecord,
  type Producer,
  type RecordBatch,
  UnknownTopic,
} from '../../schemas/bus.js'
import type { Logger } from '../../schemas/log.js'
import { type AnyTopic, deadLetterName, fullName, recordOf } from '../../schemas/topics.js'
import { createCheckpointing } from './checkpoint.js'
import type { AnyWorker, Emit, Outcome, Place } from './worker.js'

/** What every worker runs on. */
export interface Frame {
  readonly bus: Bus
  readonly prefix: string
  readonly log: Logger
  /** The event's fault (never works), as opposed to the world's (works later). */
  readonly isEventFault: (error: unknown) => boolean
  /** The batch was too much for one step (a statement timeout): half of it may pass. */
  readonly isTooMuch: (error: unknown) => boolean
  /** Runs `job` by a cron expression; answers how to stop it. */
  readonly schedule: (cron: string, job: () => Promise<void>) => () => void
  readonly ackFlushCron: string
  /** Delay of a topic that falls due later, ms. */
  readonly delayOf: (topic: AnyTopic) => number | undefined
  readonly observe?: (batch: BatchObservation) => void
}

export interface BatchObservation {
  readonly worker: string
  readonly events: number
  readonly rejected: number
  readonly emitted: number
  readonly duration_ms: number
  /** From the first record's append to the end of the batch. */
  readonly age_ms: number
}

export interface RunningWorker {
  readonly name: string
  isReady(): boolean
  stop(): Promise<void>
}

interface Entry {
  readonly record: IncomingRecord
  readonly event: unknown
  readonly place: Place
}

interface Rejected {
  readonly record: IncomingRecord
  readonly reason: string
}

/** Joins the worker's consumer group and works until stopped. */
export async function runWorker(worker: AnyWorker, ports: unknown, frame: Frame): Promise<RunningWorker> {
  const producer = await frame.bus.producer(worker.name)
  const checkpointing = worker.checkpoint && createCheckpointing(worker, ports, frame)
  const handle = createBatchHandler(worker, ports, frame, producer)
  const delayMs = frame.delayOf(worker.consumes)
  const consumer: Consumer = await frame.bus.consumer({
    group: worker.name,
    topics: [fullName(frame.prefix, worker.consumes)],
    onBatch: checkpointing ? (batch) => checkpointing.around(batch, handle) : handle,
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(checkpointing?.options ?? {}),
  })
  checkpointing?.attach(consumer)

  return {
    name: worker.name,
    isReady: () => consumer.isReady(),
    async stop() {
      await checkpointing?.stop()
      await consumer.stop()
      await producer.close()
    },
  }
}

function createBatchHandler(worker: AnyWorker, ports: unknown, frame: Frame, producer: Producer) {
  return async (batch: RecordBatch): Promise<void> => {
    const started = Date.now()
    let rejects = 0
    let emitted = 0
    await alive(batch, async () => {
      for (const records of slices(batch.records, worker.eventsAtOnce)) {
        const { entries, rejected } = decode(worker, records)
        const emits: Emit[] = []
        await handleEntries(worker, ports, frame, entries, emits, rejected)
        const outgoing = [
          ...toRecords(frame.prefix, emits),
          ...rejected.map((each) => deadLetter(frame, worker, each)),
        ]
        await publish(producer, outgoing, gateTopics(frame.prefix, emits))
        rejects += rejected.length
        emitted += emits.length
      }
    })
    frame.observe?.({
      worker: worker.name,
      events: batch.records.length,
      rejected: rejects,
      emitted,
      duration_ms: Date.now() - started,
      age_ms: Date.now() - (batch.records[0]?.timestamp ?? started),
    })
  }
}

const heartbeatEvery_ms = 1_500

/** Keeps our place in the group while a batch takes long (a check that waits for the ack tracker). */
async function alive(batch: RecordBatch, work: () => Promise<void>): Promise<void> {
  let lost: unknown
  const timer = setInterval(() => {
    batch.heartbeat().catch((error: unknown) => {
      lost = error
    })
  }, heartbeatEvery_ms)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  if (lost !== undefined) throw lost
}

function* slices<T>(items: readonly T[], size = items.length): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size)
}

function decode(
  worker: AnyWorker,
  records: readonly IncomingRecord[],
): { entries: Entry[]; rejected: Rejected[] } {
  const entries: Entry[] = []
  const rejected: Rejected[] = []
  for (const record of records) {
    try {
      const event: unknown = worker.consumes.decode(record.value)
      const { topic, partition, offset, timestamp } = record
      entries.push({ record, event, place: { topic, partition, offset, appended: timestamp } })
    } catch (error) {
      rejected.push({ record, reason: `not a ${worker.consumes.payload}: ${messageOf(error)}` })
    }
  }
  return { entries, rejected }
}

/** Handles entries together; where one of them makes that impossible, halves until it is found. */
async function handleEntries(
  worker: AnyWorker,
  ports: unknown,
  frame: Frame,
  entries: readonly Entry[],
  emits: Emit[],
  rejected: Rejected[],
): Promise<void> {
  if (entries.length === 0) return
  try {
    const done = await attempt(worker, ports, entries)
    emits.push(...done.emits)
    rejected.push(...done.rejected)
  } catch (error) {
    const [only] = entries
    const isAlone = entries.length === 1
    if (!isFaultOfEvent(frame, error) && (isAlone || !frame.isTooMuch(error))) throw error
    if (isAlone && only !== undefined) {
      rejected.push({ record: only.record, reason: messageOf(error) })
      return
    }
    const middle = Math.ceil(entries.length / 2)
    await handleEntries(worker, ports, frame, entries.slice(0, middle), emits, rejected)
    await handleEntries(worker, ports, frame, entries.slice(middle), emits, rejected)
  }
}

async function attempt(worker: AnyWorker, ports: unknown, entries: readonly Entry[]) {
  const loaded: unknown = await worker.load?.(
    entries.map((entry) => entry.event),
    ports,
    entries.map((entry) => entry.place),
  )
  const emits: Emit[] = []
  const rejected: Rejected[] = []
  const rows: unknown[] = []
  const places: Place[] = []
  for (const { record, event, place } of entries) {
    for (const outcome of decideOrReject(worker, event, loaded, place)) {
      if (outcome.kind === 'emit') emits.push(outcome)
      else if (outcome.kind === 'reject') rejected.push({ record, reason: outcome.reason })
      else {
        rows.push(outcome.row)
        places.push(place)
      }
    }
  }
  if (rows.length > 0) {
    const results: readonly unknown[] = (await worker.save?.(rows, ports, places)) ?? []
    for (const [at, row] of rows.entries())
      for (const each of worker.saved?.(row, results[at]) ?? []) emits.push(each as Emit)
  }
  return { emits, rejected }
}

function decideOrReject(
  worker: AnyWorker,
  event: unknown,
  loaded: unknown,
  place: Place,
): readonly Outcome<AnyTopic, unknown>[] {
  try {
    return worker.decide(event, loaded, place)
  } catch (error) {
    return [{ kind: 'reject', reason: `decide: ${messageOf(error)}` }]
  }
}

/** Events for the same place become one record where their topic says how; order per topic is kept. */
function toRecords(prefix: string, emits: readonly Emit[]): OutgoingRecord[] {
  const groups = new Map<string, { topic: AnyTopic; instance: string | undefined; events: unknown[] }>()
  for (const { topic, event, instance } of emits) {
    const name = fullName(prefix, topic, instance)
    const group = groups.get(name)
    if (group) group.events.push(event)
    else groups.set(name, { topic, instance, events: [event] })
  }
  const records: OutgoingRecord[] = []
  for (const { topic, instance, events } of groups.values())
    for (const event of topic.merge?.(events) ?? events)
      records.push(recordOf(prefix, topic, event, instance))
  return records
}

/** Names of the topics that are one per gate, among those of these events. */
const gateTopics = (prefix: string, emits: readonly Emit[]): ReadonlySet<string> =>
  new Set(
    emits.flatMap(({ topic, instance }) =>
      instance === undefined ? [] : [fullName(prefix, topic, instance)],
    ),
  )

/**
 * Publishes all. Records for a gate whose topic is gone are left out: its devices count as offline, which the
 * delivery check and the presence sweep take care of (spec 2, "Stopping and starting").
 */
async function publish(
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
    await publish(
      producer,
      records.filter(({ topic }) => !gone.has(topic)),
      perGate,
    )
  }
}

/** The original bytes, with what is needed to find out why and to send them again to this group only. */
function deadLetter(frame: Frame, worker: AnyWorker, { record, reason }: Rejected): OutgoingRecord {
  const { topic, partition, offset, key, value } = record
  frame.log.warn(
    { worker: worker.name, topic, partition, offset, reason },
    'event rejected to the dead letters',
  )
  return {
    topic: deadLetterName(topic, worker.name),
    key,
    value,
    headers: {
      ...record.headers,
      'dlq-reason': reason.slice(0, 1_000),
      'dlq-topic': topic,
      'dlq-partition': String(partition),
      'dlq-offset': String(offset),
      'dlq-group': worker.name,
      'dlq-time': String(Date.now()),
    },
  }
}

/** Errors of our own code over one event repeat for ever, so they count as the event's fault too. */
const isFaultOfEvent = (frame: Frame, error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || frame.isEventFault(error)

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
