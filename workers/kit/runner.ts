/**
 * The frame around every worker, written once (style: "The runner"):
 * decode the batch → load → decide each → save in one transaction → produce all → the adapter marks the offsets.
 * A throw means that the world is ill: nothing is committed, the adapter backs off and hands the batch again.
 * A bad event is never thrown: it goes to the dead letters, and its partition moves on (I8).
 */
import type { Bus, Consumer, IncomingRecord, Producer, RecordBatch } from '../../schemas/bus.js'
import { isForGroup } from '../../schemas/dead-letters.js'
import type { Logger } from '../../schemas/log.js'
import { packEvents } from '../../schemas/packing.js'
import { type AnyTopic, eventsIn, fullName, type RecordStyle } from '../../schemas/topics.js'
import { noTracer, type Tracer } from '../../schemas/tracer.js'
import { markTrace, type Traces, traceFields, tracesIn } from '../../schemas/tracing.js'
import { createCheckpointing } from './checkpoint.js'
import { deadLetter, type Emitted, gateTopics, publishAll, type Rejected, toRecords } from './records.js'
import { createStepSpans, noSpans, type StepSpans } from './spans.js'
import { takeTurns } from './turns.js'
import type { AnyWorker, Outcome, Place } from './worker.js'

/** What every worker runs on. */
export interface Frame extends RecordStyle {
  readonly bus: Bus
  readonly log: Logger
  /** The event's fault (never works), as opposed to the world's (works later). */
  readonly isEventFault: (error: unknown) => boolean
  /** The batch was too much for one step (a statement timeout): half of it may pass. */
  readonly isTooMuch: (error: unknown) => boolean
  /** What an operator has to do about an error of the world. */
  readonly remedyOf?: (error: unknown) => string | undefined
  /** Runs `job` by a cron expression; answers how to stop it. */
  readonly schedule: (cron: string, job: () => Promise<void>) => () => void
  readonly ackFlushCron: string
  /** Delay of a topic that falls due later, ms. */
  readonly delayOf: (topic: AnyTopic) => number | undefined
  readonly observe?: (batch: BatchObservation) => void
  /** Where it is not given nobody records spans. */
  readonly tracer?: Tracer
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
  /** The event's own, in the record. */
  readonly bytes: Buffer
  readonly event: unknown
  place: Place
}

/** Joins the worker's consumer group and works until stopped. */
export async function runWorker(worker: AnyWorker, ports: unknown, frame: Frame): Promise<RunningWorker> {
  const producer = await frame.bus.producer(worker.name)
  const checkpointing = worker.checkpoint && createCheckpointing(worker, ports, frame, producer)
  const handle = createBatchHandler(worker, ports, frame, producer)
  const delayMs = frame.delayOf(worker.consumes)
  // A check may wait for long; a checkpoint, and what is postponed, go by partition: these keep to themselves.
  const isAlone = delayMs !== undefined || checkpointing !== undefined || worker.postpones === true
  const together = isAlone ? undefined : takeTurns(handle)
  const alone = (batch: RecordBatch) => handle([batch], () => {})
  const onBatch = checkpointing
    ? (batch: RecordBatch) => checkpointing.around(batch, alone)
    : (together ?? alone)
  const consumer: Consumer = await frame.bus.consumer({
    group: worker.name,
    topics: [fullName(frame.prefix, worker.consumes)],
    onBatch: (batch) => alive(batch, () => onBatch(batch)).catch(withRemedy(frame)),
    ...(delayMs === undefined ? {} : { delayMs }),
    recordsAtOnce: worker.postpones ? worker.eventsAtOnce : undefined,
    // What is flushed or falls due later is in no hurry.
    relaxed: delayMs !== undefined || worker.checkpoint !== undefined,
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

/** Without a limit of its own a worker handles this many records at once. */
const recordsAtOnce = 1_000

function createBatchHandler(worker: AnyWorker, ports: unknown, frame: Frame, producer: Producer) {
  /** Everything but publishing: what is to be published, and how many events there were, were rejected and emitted. */
  async function prepare(records: readonly IncomingRecord[], spans: StepSpans) {
    const { entries, rejected } = decode(worker, records)
    spans.handled(entries)
    const emitted: Emitted[] = []
    await handleEntries(worker, ports, frame, entries, emitted, rejected)
    for (const { record, reason, trace } of rejected) {
      const { topic, partition, offset } = record
      const place = { worker: worker.name, topic, partition, offset }
      frame.log.warn({ ...place, ...traceFields(trace), reason }, 'event rejected to the dead letters')
    }
    spans.rejected(rejected)
    const outgoing = [
      ...toRecords(frame, spans.published(emitted)),
      ...rejected.map((each) => deadLetter(worker.name, each)),
    ]
    const counts = { events: entries.length, rejected: rejected.length, emitted: emitted.length }
    return { outgoing, perGate: gateTopics(frame.prefix, emitted), counts }
  }

  /** Handles the events of these records, and publishes what follows. @param decided called in between */
  async function handle(records: readonly IncomingRecord[], decided: () => void) {
    const { tracer = noTracer, prefix } = frame
    const spans = tracer === noTracer ? noSpans : createStepSpans(tracer, worker, prefix)
    try {
      const { outgoing, perGate, counts } = await prepare(records, spans)
      decided()
      await publishAll(producer, outgoing, perGate)
      spans.end()
      return counts
    } catch (error) {
      spans.end(error instanceof Error ? error.name : 'failed')
      throw error
    }
  }

  /** @param next called when all is decided and saved: another turn may do so while this one publishes */
  return async (batches: readonly RecordBatch[], next: () => void): Promise<void> => {
    const started = Date.now()
    const total = { events: 0, rejected: 0, emitted: 0 }
    const all = batches.flatMap(({ records }) => records)
    const step = worker.eventsAtOnce ?? recordsAtOnce
    for (let at = 0; at < all.length; at += step) {
      const isLast = at + step >= all.length
      const counts = await handle(all.slice(at, at + step), () => isLast && next())
      total.events += counts.events
      total.rejected += counts.rejected
      total.emitted += counts.emitted
    }
    frame.observe?.({
      worker: worker.name,
      ...total,
      duration_ms: Date.now() - started,
      age_ms: Date.now() - (all[0]?.timestamp ?? started),
    })
  }
}

/** Says what is to be done, where that is known: the adapter logs an error once, and again when it says something else. */
const withRemedy =
  ({ remedyOf }: Frame) =>
  (error: unknown): never => {
    const remedy = remedyOf?.(error)
    throw remedy === undefined ? error : new Error(remedy, { cause: error })
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

function decode(
  worker: AnyWorker,
  records: readonly IncomingRecord[],
): { entries: Entry[]; rejected: Rejected[] } {
  const entries: Entry[] = []
  const rejected: Rejected[] = []
  for (const record of records) {
    if (!isForGroup(record.headers, worker.name)) continue
    try {
      const { topic, partition, offset, timestamp, value, headers } = record
      const place = { topic, partition, offset, appended: timestamp }
      const traces = tracesIn(headers)
      for (const [at, bytes] of eventsIn(worker.consumes, value).entries()) {
        const event: unknown = worker.consumes.decode(bytes, headers)
        const own = traces && tracePlace(worker, event, place, traces, at)
        entries.push({ record, bytes, event, place: own ?? place })
      }
    } catch (error) {
      rejected.push({
        record,
        value: record.value,
        reason: `not a ${worker.consumes.payload}: ${messageOf(error)}`,
      })
    }
  }
  return { entries, rejected }
}

/** The place of an event with its trace; or, where the parts of the event have traces of their own, these marked. */
function tracePlace(
  { consumes }: AnyWorker,
  event: unknown,
  place: Place,
  traces: Traces,
  at: number,
): Place {
  if (consumes.parts === undefined) return traces[at] === undefined ? place : { ...place, trace: traces[at] }
  for (const [index, part] of consumes.parts(event).entries())
    if (traces[index] !== undefined) markTrace(part, traces[index])
  return place
}

/** Handles entries together; where one of them makes that impossible, halves until it is found. */
async function handleEntries(
  worker: AnyWorker,
  ports: unknown,
  frame: Frame,
  entries: readonly Entry[],
  emitted: Emitted[],
  rejected: Rejected[],
): Promise<void> {
  if (entries.length === 0) return
  try {
    const done = await attempt(worker, ports, entries)
    emitted.push(...done.emitted)
    rejected.push(...done.rejected)
  } catch (error) {
    const [only] = entries
    const isAlone = entries.length === 1
    if (!isFaultOfEvent(frame, error) && (isAlone || !frame.isTooMuch(error))) throw error
    if (isAlone && only !== undefined) {
      rejected.push(rejection(worker, only, messageOf(error)))
      return
    }
    const middle = Math.ceil(entries.length / 2)
    await handleEntries(worker, ports, frame, entries.slice(0, middle), emitted, rejected)
    await handleEntries(worker, ports, frame, entries.slice(middle), emitted, rejected)
  }
}

async function attempt(worker: AnyWorker, ports: unknown, entries: readonly Entry[]) {
  const loaded: unknown = await worker.load?.(
    entries.map((entry) => entry.event),
    ports,
    entries.map((entry) => entry.place),
  )
  const emitted: Emitted[] = []
  const rejected: Rejected[] = []
  const rows: unknown[] = []
  const owners: Entry[] = []
  for (const entry of entries) {
    const { event, place } = entry
    for (const outcome of decideOrReject(worker, event, loaded, place)) {
      if (outcome.kind === 'emit')
        emitted.push({ emit: outcome, partition: place.partition, trace: outcome.trace ?? place.trace })
      else if (outcome.kind === 'reject') rejected.push(rejection(worker, entry, outcome.reason))
      else {
        rows.push(outcome.row)
        owners.push(entry)
      }
    }
  }
  if (rows.length > 0) {
    const places = owners.map(({ place }) => place)
    const results: readonly unknown[] = (await worker.save?.(rows, ports, places)) ?? []
    for (const [at, owner] of owners.entries()) {
      for (const emit of worker.saved?.(rows[at], results[at]) ?? [])
        emitted.push({ emit, partition: owner.place.partition, trace: emit.trace ?? owner.place.trace })
      const reason = worker.givenUp?.(rows[at], results[at])
      if (reason !== undefined) rejected.push(rejection(worker, owner, reason))
    }
  }
  return { emitted, rejected }
}

/** Of a packed record only this event's bytes, as a record of its own. */
const rejection = (worker: AnyWorker, { record, bytes, place }: Entry, reason: string): Rejected => ({
  record,
  value: worker.consumes.packed === undefined ? bytes : packEvents([bytes]),
  reason,
  trace: place.trace,
})

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

/** Errors of our own code over one event repeat for ever, so they count as the event's fault too. */
const isFaultOfEvent = (frame: Frame, error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || frame.isEventFault(error)

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
