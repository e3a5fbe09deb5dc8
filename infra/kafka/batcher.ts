/**
 * Collects what is published while a send is under way and passes it on in one send: without it one core
 * manages a fifteenth of the records. Knows nothing of Kafka.
 */
import { BusUnavailable, type OutgoingRecord, UnknownTopic } from '../../schemas/bus.js'

const maxSendRecords = 500
/** Of one send; a larger record goes alone. */
const maxSendBytes = 256 * 1024
const maxQueuedRecords = 50_000
const maxQueuedBytes = 128 * 1024 * 1024
/** A send that has begun gets at least this long, whatever is left of the deadlines in it. */
const minSend_ms = 1_000
const recordOverheadBytes = 64

/** Where batches go. */
export interface Link {
  /** Resolves when a send may be tried, however long that takes; rejects only when closed. */
  ready(): Promise<void>
  /** Those of the topics that the brokers do not have. */
  unknownTopics(topics: ReadonlySet<string>): Promise<ReadonlySet<string>>
  /** Resolves when all records are acked by all replicas; rejects within `limit_ms` otherwise. */
  send(records: readonly OutgoingRecord[], limit_ms: number): Promise<void>
}

/** One call of publish(). */
interface Publication {
  unacked: number
  readonly deadline: number
  settled: boolean
  readonly timer: NodeJS.Timeout
  settle(error?: BusUnavailable): void
}

interface Queued {
  readonly record: OutgoingRecord
  readonly publication: Publication
  readonly bytes: number
}

export interface Batcher {
  publish(records: readonly OutgoingRecord[]): Promise<void>
  /** Records that wait for a send. */
  queued(): number
  /** Waits for what is queued, at most its deadlines long. */
  close(): Promise<void>
}

export interface BatcherOptions {
  readonly link: Link
  /** ms from publish() to BusUnavailable. */
  readonly deadline_ms: number
  readonly beforeSend?: (() => boolean) | undefined
}

const sizeOf = ({ value, key, headers }: OutgoingRecord): number => {
  let bytes = value.length + (key?.length ?? 0) + recordOverheadBytes
  for (const name in headers) bytes += name.length + (headers[name]?.length ?? 0)
  return bytes
}

/** First in, first out, without moving the rest at each taking. */
function createQueue() {
  let items: (Queued | undefined)[] = []
  let head = 0
  let bytes = 0

  function takeFirst(): void {
    bytes -= items[head]?.bytes ?? 0
    items[head++] = undefined
    if (head < 1_024 || head * 2 < items.length) return
    items = items.slice(head)
    head = 0
  }

  return {
    size: () => items.length - head,
    bytes: () => bytes,
    push(item: Queued): void {
      items.push(item)
      bytes += item.bytes
    },
    /** Forgets, from the front, whatever nobody waits for any more. */
    dropSettled(): void {
      while (items[head]?.publication.settled) takeFirst()
    },
    /** The next send: in order, within the limits, never empty unless nobody waits. */
    take(): Queued[] {
      const batch: Queued[] = []
      let batchBytes = 0
      for (let next = items[head]; next !== undefined; next = items[head]) {
        if (!next.publication.settled) {
          const full = batch.length === maxSendRecords || batchBytes + next.bytes > maxSendBytes
          if (full && batch.length > 0) break
          batch.push(next)
          batchBytes += next.bytes
        }
        takeFirst()
      }
      return batch
    },
    publications: () => new Set(items.slice(head).map((item) => item!.publication)),
  }
}

/** One call of publish(): its promise, and what settles it. */
function createPublication(
  count: number,
  deadline_ms: number,
  onLate: () => void,
): [Publication, Promise<void>] {
  let resolve: () => void
  let reject: (reason: BusUnavailable) => void
  const done = new Promise<void>((onDone, onFault) => {
    resolve = onDone
    reject = onFault
  })
  const late = () => {
    publication.settle(new BusUnavailable(`not confirmed within ${deadline_ms} ms`))
    onLate()
  }
  const publication: Publication = {
    unacked: count,
    deadline: Date.now() + deadline_ms,
    settled: false,
    timer: setTimeout(late, deadline_ms),
    settle(error) {
      if (publication.settled) return
      publication.settled = true
      clearTimeout(publication.timer)
      if (error) reject(error)
      else resolve()
    },
  }
  return [publication, done]
}

export function createBatcher({ link, deadline_ms, beforeSend }: BatcherOptions): Batcher {
  const queue = createQueue()
  let running: Promise<void> | undefined
  let closed = false

  function refuseQueued(reason: string): void {
    for (const publication of queue.publications()) publication.settle(new BusUnavailable(reason))
    queue.dropSettled()
  }

  /** Refuses the records of topics that are not there: a send with one of them would hold up all others. */
  async function withKnownTopics(batch: readonly Queued[]): Promise<Queued[]> {
    const unknown = await link.unknownTopics(new Set(batch.map(({ record }) => record.topic)))
    if (unknown.size > 0)
      for (const { record, publication } of batch)
        if (unknown.has(record.topic)) publication.settle(new UnknownTopic(unknown))
    return batch.filter(({ publication }) => !publication.settled)
  }

  async function sendOne(): Promise<void> {
    const batch = await withKnownTopics(queue.take())
    if (batch.length === 0) return
    if (beforeSend && !beforeSend()) {
      for (const { publication } of batch)
        publication.settle(new BusUnavailable('sending is not allowed now'))
      return refuseQueued('sending is not allowed now')
    }
    const earliest = Math.min(...batch.map(({ publication }) => publication.deadline))
    try {
      await link.send(
        batch.map(({ record }) => record),
        Math.max(minSend_ms, earliest - Date.now()),
      )
      for (const { publication } of batch) if (--publication.unacked === 0) publication.settle()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      for (const { publication } of batch) publication.settle(new BusUnavailable(reason, { cause: error }))
    }
  }

  async function run(): Promise<void> {
    // What is published in this turn of the event loop goes together.
    await new Promise((resolve) => setImmediate(resolve))
    try {
      while (queue.size() > 0) {
        await link.ready()
        await sendOne()
      }
    } catch (error) {
      refuseQueued((error as Error).message)
    } finally {
      running = undefined
    }
  }

  function publish(records: readonly OutgoingRecord[]): Promise<void> {
    if (records.length === 0) return Promise.resolve()
    if (closed) return Promise.reject(new BusUnavailable('the producer is closed'))
    if (queue.size() + records.length > maxQueuedRecords || queue.bytes() > maxQueuedBytes)
      return Promise.reject(new BusUnavailable('too much is queued'))
    const [publication, done] = createPublication(records.length, deadline_ms, queue.dropSettled)
    for (const record of records) queue.push({ record, publication, bytes: sizeOf(record) })
    running ??= run()
    return done
  }

  return {
    publish,
    queued: queue.size,
    async close() {
      closed = true
      await running
    },
  }
}
