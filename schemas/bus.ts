/**
 * The bus as every room sees it: types only. infra/kafka is the one adapter.
 * Terms: a *record* is what the broker stores; an *event* is the typed payload inside.
 */
import { EngineRefused } from './engine-refused.js'

/** One record to be published. Order holds among records of one producer that share a partition. */
export interface OutgoingRecord {
  readonly topic: string
  /** Decides the partition (murmur2, as every Kafka client does); null spreads. */
  readonly key: string | null
  /** Instead of the key: this partition, modulo their number. */
  readonly partition?: number
  readonly value: Buffer
  readonly headers?: Readonly<Record<string, string>>
}

export interface IncomingRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly value: Buffer
  readonly headers: Readonly<Record<string, string>>
  /** ms; the broker's clock where the topic has LogAppendTime, else the producer's. */
  readonly timestamp: number
}

export interface Producer {
  /**
   * Resolves when all in-sync replicas have all the records (acks = all).
   * Rejects with BusUnavailable after the deadline: then each record is unknown (it may be there).
   */
  publish(records: readonly OutgoingRecord[]): Promise<void>
  close(): Promise<void>
}

export interface ProducerOptions {
  /**
   * Asked just before a send is written. False: what is queued is rejected with BusUnavailable and never sent
   * (a gate whose lease ran out, spec 2, login 4).
   */
  readonly beforeSend?: () => boolean
}

/** The bus did not confirm within the deadline. A repeat may duplicate, never lose. */
export class BusUnavailable extends Error {
  override readonly name: string = 'BusUnavailable'
}

/** There is no such topic: nothing of that call was kept back for it, and a repeat without it may pass. */
export class UnknownTopic extends BusUnavailable {
  override readonly name = 'UnknownTopic'
  constructor(readonly topics: ReadonlySet<string>) {
    super(`no topic ${[...topics].join(', ')}`)
  }
}

/** The brokers answer and cannot be used as they are set up, or as we are: to wait helps nothing. */
export class BusRefused extends EngineRefused {
  override readonly name = 'BusRefused'
}

/**
 * Thrown by a handler that has done nothing with a batch: its records are to come again a little later, one by one at
 * first. Somebody else is away, so it counts as no failure of ours.
 */
export class Postponed extends Error {
  override readonly name = 'Postponed'
}

/** Records of one partition, oldest first, never empty. */
export interface RecordBatch {
  readonly topic: string
  readonly partition: number
  readonly records: readonly IncomingRecord[]
  /** Tells the group that we are alive. Throws when the partition was taken away: let it throw. */
  heartbeat(): Promise<void>
  /** False once the partition is no longer ours, or the consumer is stopping. */
  isOurs(): boolean
}

export interface ConsumerOptions {
  /** Consumer group, without prefix. */
  readonly group: string
  /** Full topic names. */
  readonly topics: readonly string[]
  /** Called for one partition at a time; different partitions run concurrently. When it resolves the batch is done. */
  readonly onBatch: (batch: RecordBatch) => Promise<void>
  /**
   * 'done' (default): offsets of finished batches are committed about once a second, at a rebalance and at stop.
   * 'manual': only what `commit` is told.
   */
  readonly commit?: 'done' | 'manual'
  /** 'earliest' (default; every worker) or 'end': only what is published from now on (a gate's own topic). */
  readonly start?: 'earliest' | 'end'
  /** Nobody waits for these records: the broker collects for up to 250 ms, so that a fetch brings many. */
  readonly relaxed?: boolean
  /** At most so many records are handed over at once: one at first, and after a Postponed, then more and more. */
  readonly recordsAtOnce?: number | undefined
  /** A delay topic: records are handed over only when they are this old (ms). */
  readonly delayMs?: number
  /** Called after each answered fetch that brought nothing: every partition was at its end at `since` (ms, before the fetch was sent). */
  readonly onIdle?: (since: number) => void
  /** Called when partitions are assigned or taken away, with those owned now. */
  readonly onAssigned?: (partitions: readonly { topic: string; partition: number }[]) => void
}

export interface Consumer {
  /** Resolves when the group gave us our partitions and one fetch was answered. */
  readonly ready: Promise<void>
  isReady(): boolean
  /** 'manual' only: everything below these offsets is done. */
  commit(offsets: readonly { topic: string; partition: number; offset: number }[]): Promise<void>
  /** Back to the committed offsets (what was not committed comes again). */
  rewind(): Promise<void>
  /** Finish the batches in hand, commit, leave the group. */
  stop(): Promise<void>
}

export interface TopicSettings {
  readonly name: string
  readonly partitions: number
  /** Kafka topic configuration, e.g. retention.ms. */
  readonly config: Readonly<Record<string, string>>
}

export interface Bus {
  producer(name: string, options?: ProducerOptions): Promise<Producer>
  consumer(options: ConsumerOptions): Promise<Consumer>
  /** Makes what is missing; never changes partitions of what is there. Returns the names made. */
  ensureTopics(topics: readonly TopicSettings[]): Promise<string[]>
  deleteTopics(names: readonly string[]): Promise<void>
  listTopics(): Promise<string[]>
  /** True when the brokers answer within `timeoutMs`. */
  isReachable(timeoutMs: number): Promise<boolean>
  close(): Promise<void>
}
