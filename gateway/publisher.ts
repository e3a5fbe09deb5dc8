/**
 * Events to the bus. What one turn of the event loop brings is published together; a failure is told to the requests
 * that wait for an answer, since their records may or may not be there (spec 2, "Single chat" 1).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type Bus, BusUnavailable, type OutgoingRecord, type Producer } from '../schemas/bus.js'
import { createTrouble, type Logger } from '../schemas/log.js'
import { packEvents } from '../schemas/packing.js'
import { type AnyTopic, type EventOf, fullName, recordOf } from '../schemas/topics.js'
import { publication, type Span, spanWithin, type Tracer } from '../schemas/tracer.js'
import { type Trace, withTraces } from '../schemas/tracing.js'
import type { ClientRequest } from './pending.js'

export interface Publisher {
  /**
   * Queues an event. A request given with it fails when the bus does not confirm.
   * @param trace what the event belongs to, where it is no request; not of packed topics
   */
  submit<T extends AnyTopic>(topic: T, event: EventOf<T>, request?: ClientRequest, trace?: Trace): void
  /** Resolves when the bus has the records; rejects with BusUnavailable, at once while suspended. */
  publish(records: readonly OutgoingRecord[]): Promise<void>
  close(): Promise<void>
}

interface PublisherOptions {
  readonly bus: Bus
  readonly prefix: string
  /** Partitions of the busy topics, as far as this gate knows. */
  readonly lanes: number
  /** Nothing leaves a gate whose lease is in doubt, not even what was queued before (I9). */
  readonly isSuspended: () => boolean
  readonly onFailed: (request: ClientRequest) => void
  readonly tracer: Tracer
  readonly log: Logger
}

/** Of one record; what comes meanwhile waits for the next. */
const packedEvents = 500
/** So many of a lane are kept while the bus does not take them. */
const keptEvents = 10_000
/** How long events of packed topics are collected: nobody waits for them, and few full requests are cheap. */
const collect_ms = 100

/** Events of one lane of a packed topic that wait to be sent. */
interface Lane {
  readonly topic: AnyTopic
  readonly partition: number
  readonly events: Uint8Array[]
}

function* recordsOf(prefix: string, { topic, partition, events }: Lane): Generator<OutgoingRecord> {
  for (let at = 0; at < events.length; at += packedEvents) {
    const value = packEvents(events.slice(at, at + packedEvents))
    yield { topic: fullName(prefix, topic), key: null, partition, value }
  }
}

/**
 * Events of packed topics: all lanes together are collected and sent, and while that is under way the next wait. Nobody
 * waits for an answer to them. What the bus has not confirmed, or what may not leave while the lease is in doubt, is
 * sent again: repeats are harmless.
 */
function createPacking(prefix: string, lanes: number, publish: Publisher['publish'], log: Logger) {
  let waiting = new Map<string, Lane>()
  let underWay: Promise<void> | undefined
  let isFailing = false
  let isClosing = false

  function putBack(unsent: ReadonlyMap<string, Lane>): void {
    for (const [name, lane] of unsent) {
      const events = [...lane.events, ...(waiting.get(name)?.events ?? [])].slice(-keptEvents)
      waiting.set(name, { ...lane, events })
    }
  }

  async function send(): Promise<void> {
    while (waiting.size > 0) {
      await pause(collect_ms)
      const full = waiting
      waiting = new Map()
      try {
        await publish([...full.values()].flatMap((lane) => [...recordsOf(prefix, lane)]))
        isFailing = false
      } catch (error) {
        if (!isFailing) log.warn({ err: error, lanes: [...full.keys()] }, 'the bus did not confirm')
        isFailing = true
        if (!isClosing) putBack(full)
      }
    }
    underWay = undefined
  }

  return {
    add<T extends AnyTopic>(topic: T, event: EventOf<T>): void {
      const partition: number = (topic.lane?.(event) ?? 0) % lanes
      const name = `${topic.name}/${partition}`
      const lane = waiting.get(name)
      if (lane) lane.events.push(topic.encode(event))
      else waiting.set(name, { topic, partition, events: [topic.encode(event)] })
      underWay ??= send()
    },
    /** Resolves when what was added is sent, or cannot be. */
    async close(): Promise<void> {
      isClosing = true
      await underWay
    },
  }
}

/** Ends these spans when it is known what became of it. */
function endWith(done: Promise<void>, spans: readonly Span[]): void {
  const end = (failure?: string) => {
    for (const span of spans) span.end(failure)
  }
  done.then(
    () => end(),
    () => end('the bus did not confirm'),
  )
}

export async function createPublisher(options: PublisherOptions): Promise<Publisher> {
  const { bus, prefix, lanes, isSuspended, onFailed, tracer, log } = options
  const producer: Producer = await bus.producer('gateway', { beforeSend: () => !isSuspended() })
  let records: OutgoingRecord[] = []
  let requests: ClientRequest[] = []
  let spans: Span[] = []

  const publish = async (batch: readonly OutgoingRecord[]): Promise<void> => {
    if (isSuspended()) throw new BusUnavailable('the lease of this gate is in doubt')
    await producer.publish(batch)
  }

  const unconfirmed = createTrouble(log, 'the bus did not confirm')
  const flush = (): void => {
    const asked = requests
    const batch = records
    const begun = spans
    records = []
    requests = []
    spans = []
    const done = publish(batch)
    if (begun.length > 0) endWith(done, begun)
    done.then(unconfirmed.isOver, (error: unknown) => {
      unconfirmed.failed(error, { records: batch.length })
      for (const request of asked) onFailed(request)
    })
  }

  const packing = createPacking(prefix, lanes, publish, log)

  return {
    submit(topic, event, request, trace = request?.trace) {
      if (topic.packed !== undefined) return packing.add(topic, event)
      const span = trace === undefined ? trace : spanWithin(tracer, trace, () => publication(prefix, topic))
      if (span !== undefined) spans.push(span)
      const record = recordOf({ prefix }, topic, event)
      const own = span?.trace ?? trace
      if (records.push(own === undefined ? record : withTraces(record, [own], 1)) === 1) queueMicrotask(flush)
      if (request !== undefined) requests.push(request)
    },
    publish,
    async close() {
      await packing.close()
      await producer.close()
    },
  }
}
