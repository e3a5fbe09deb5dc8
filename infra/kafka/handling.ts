/** Hands the batches of one consumer to its handler: what is due, again while it fails, with signs of life. */
import type { EachBatchPayload } from 'kafkajs'
import { type ConsumerOptions, type IncomingRecord, Postponed, type RecordBatch } from '../../schemas/bus.js'
import type { Logger } from '../../schemas/log.js'
import { toRecord } from './incoming.js'
import { sleep } from './patience.js'
import { partitionKey, type Term, type TopicPartition } from './term.js'

const slice_ms = 250
const retry_ms = { first: 200, most: 5_000 }

/** A batch of the old term: its records come again. */
class TermOver extends Error {
  override readonly name = 'TermOver'
}

export interface HandlingOptions {
  readonly group: string
  readonly delayMs?: number | undefined
  readonly recordsAtOnce?: number | undefined
  readonly onBatch: ConsumerOptions['onBatch']
  readonly log: Logger
  readonly currentTerm: () => Term
  readonly isStopping: () => boolean
  /** Something went on: handled, or waited on purpose. */
  readonly onProgress: (where: TopicPartition) => void
  /** The handler threw, and gets the same records again. */
  readonly onFailed?: () => void
  /** The records below the offset have been handled. */
  readonly onHandled: (term: Term, where: TopicPartition, offset: number) => Promise<void>
}

/** How many of the records, from the first, are at least `delay_ms` old. */
export function countDue(records: readonly { timestamp: number }[], delay_ms: number, now: number): number {
  const first = records.findIndex(({ timestamp }) => timestamp + delay_ms > now)
  return first < 0 ? records.length : first
}

/** How many records of a partition are handed over at once, at most `most`: one at first, more with each that is taken. */
function createPace(most = Number.POSITIVE_INFINITY) {
  let atOnce = most === Number.POSITIVE_INFINITY ? most : 1
  let pause_ms = retry_ms.first
  return {
    of: (ready: number): number => Math.min(ready, atOnce),
    taken(): void {
      atOnce = Math.min(atOnce * 2, most)
      pause_ms = retry_ms.first
    },
    /** Answers how long to wait, ms. */
    postponed(): number {
      const pause = pause_ms
      atOnce = 1
      pause_ms = Math.min(pause_ms * 2, retry_ms.most)
      return pause
    },
  }
}

type Pace = ReturnType<typeof createPace>

/** One batch of one partition on its way through the handler. */
function handleOne(payload: EachBatchPayload, options: HandlingOptions, pace: Pace) {
  const { log, group } = options
  const term = options.currentTerm()
  const { topic, partition } = payload.batch
  const where = { topic, partition }
  const isCurrent = () => options.currentTerm() === term
  const isOurs = () => isCurrent() && !term.hasEnded() && !options.isStopping() && payload.isRunning()
  /** Why the group no longer wants to hear of us; ends the batch at once. */
  let lost: unknown

  async function heartbeat(): Promise<void> {
    if (!isCurrent()) throw new TermOver('these records were taken back')
    try {
      await payload.heartbeat()
    } catch (error) {
      lost = error
      if (isMembershipFault(error)) term.end()
      throw error
    }
    options.onProgress(where)
  }

  /** Waits with heartbeats; false when the batch is no longer ours. */
  async function wait(ms: number): Promise<boolean> {
    const end = Date.now() + ms
    for (let left = ms; left > 0 && isOurs(); left = end - Date.now()) {
      await sleep(Math.min(slice_ms, left))
      await heartbeat()
    }
    return isOurs()
  }

  /** Hands the records over until they are taken or postponed; 'over' when they are to come again some other time. */
  async function handOver(records: readonly IncomingRecord[]): Promise<'taken' | 'postponed' | 'over'> {
    const batch: RecordBatch = { topic, partition, records, heartbeat, isOurs }
    let reason: string | undefined
    for (let pause_ms = retry_ms.first; ; pause_ms = Math.min(pause_ms * 2, retry_ms.most)) {
      try {
        await options.onBatch(batch)
        if (reason !== undefined) log.info({ group, topic, partition }, 'batch handled after all')
        return isCurrent() ? 'taken' : 'over'
      } catch (error) {
        if (lost !== undefined) throw lost
        if (error instanceof TermOver || !isOurs()) return 'over'
        if (error instanceof Postponed) return 'postponed'
        options.onFailed?.()
        const { message, stack } = error as Error
        if (message !== reason)
          log.error({ group, topic, partition, reason: message, stack }, 'batch failed, trying again')
        reason = message
      }
      if (!(await wait(pause_ms))) return 'over'
    }
  }

  /** How many of the records can be handed over now, waiting until the first is due; 0 when no longer ours. */
  async function due(records: readonly IncomingRecord[], delay_ms: number): Promise<number> {
    for (;;) {
      const count = countDue(records, delay_ms, Date.now())
      if (count > 0 || !(await wait(records[0]!.timestamp + delay_ms - Date.now()))) return count
    }
  }

  return async () => {
    let records = payload.batch.messages.map((message) => toRecord(topic, partition, message))
    while (records.length > 0 && isOurs()) {
      const ready = options.delayMs === undefined ? records.length : await due(records, options.delayMs)
      const count = pace.of(ready)
      if (count === 0 || !isOurs()) break
      const last = records[count - 1]!
      const outcome = await handOver(records.slice(0, count))
      if (outcome === 'over') break
      if (outcome === 'postponed') {
        if (await wait(pace.postponed())) continue
        break
      }
      pace.taken()
      payload.resolveOffset(String(last.offset))
      options.onProgress(where)
      await options.onHandled(term, where, last.offset + 1)
      records = records.slice(count)
    }
    // Nothing may be begun: without a pause the same records would be fetched again and again.
    if (records.length > 0) await sleep(slice_ms)
  }
}

/** The faults after which kafkajs joins the group again. */
const membershipFaults = new Set([
  'REBALANCE_IN_PROGRESS',
  'NOT_COORDINATOR_FOR_GROUP',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
])

const isMembershipFault = (error: unknown): boolean =>
  membershipFaults.has((error as { type?: string } | undefined)?.type ?? '')

/** kafkajs' eachBatch for a consumer. Throws only what kafkajs must know: that the group does not want us. */
export function createHandling(options: HandlingOptions) {
  const paces = new Map<string, Pace>()
  return async (payload: EachBatchPayload): Promise<void> => {
    const key = partitionKey(payload.batch)
    const pace = paces.get(key) ?? createPace(options.recordsAtOnce)
    paces.set(key, pace)
    try {
      await handleOne(payload, options, pace)()
    } catch (error) {
      if (!(error instanceof TermOver)) throw error
    }
  }
}
