/**
 * Offsets that are committed only by a flush: for a worker whose work waits elsewhere (ack-tracker: in Redis)
 * until cron makes it durable (spec 2, group chat 4). What Redis loses is read again from the bus.
 */
import type { Consumer, ConsumerOptions, Producer, RecordBatch } from '../../schemas/bus.js'
import { createTrouble } from '../../schemas/log.js'
import { fullName, recordOf } from '../../schemas/topics.js'
import type { Frame } from './runner.js'
import type { AnyWorker, Checkpoint, Emit } from './worker.js'

const progressEvery_ms = 250

/** A partition of ours. */
interface Owned {
  /** Resolves when it is marked as ours outside. */
  claimed: Promise<void>
  /** The offset after the last handled record; undefined before the first. */
  next: number | undefined
  inHand: number
}

/** The partitions that this process owns, each claimed before its first batch. */
function createOwnership(begin: (partitions: readonly number[]) => Promise<void>) {
  const owned = new Map<number, Owned>()

  function claim(partition: number): Owned {
    const claimed = begin([partition])
    // A failure surfaces where a batch awaits it; without a batch nothing is lost by it.
    claimed.catch(() => {})
    const mine: Owned = { claimed, next: undefined, inHand: 0 }
    owned.set(partition, mine)
    return mine
  }

  return {
    idle: () => [...owned].filter(([, each]) => each.inHand === 0).map(([partition]) => partition),
    handled: () =>
      [...owned].flatMap(([partition, { next }]) =>
        next === undefined ? [] : [{ partition, offset: next }],
      ),

    assign(partitions: ReadonlySet<number>): void {
      for (const partition of owned.keys()) if (!partitions.has(partition)) owned.delete(partition)
      for (const partition of partitions) if (!owned.has(partition)) claim(partition)
    },

    /** What was handled since the last flush is gone: it will be handled again. */
    async reclaim(): Promise<void> {
      await begin([...owned.keys()])
      for (const each of owned.values()) each.next = undefined
    },

    /** Runs `work` on a claimed partition and notes how far it came. */
    async handle(partition: number, next: number, work: () => Promise<void>): Promise<void> {
      const mine = owned.get(partition) ?? claim(partition)
      try {
        await mine.claimed
      } catch (error) {
        claim(partition)
        throw error
      }
      mine.inHand += 1
      try {
        await work()
        mine.next = next
      } finally {
        mine.inHand -= 1
      }
    },
  }
}

/** Wraps the batches of a worker that has a checkpoint, and flushes by cron. */
export function createCheckpointing(worker: AnyWorker, ports: unknown, frame: Frame, producer: Producer) {
  // biome-ignore lint/suspicious/noExplicitAny: of a worker of whatever topics
  const checkpoint = worker.checkpoint as Checkpoint<unknown, any>
  const publish = (events: readonly Emit[]) =>
    producer.publish(events.map(({ topic, event }) => recordOf(frame, topic, event)))
  const topic = fullName(frame.prefix, worker.consumes)
  const own = { worker: worker.name }
  const ownership = createOwnership((partitions) => checkpoint.begin(partitions, ports))
  let consumer: Consumer | undefined
  let flushing: Promise<void> | undefined
  let rereading: Promise<void> | undefined
  let progressed = 0

  async function tellProgress(partitions: readonly number[], time: number): Promise<void> {
    // What is about to be read again has not been handled.
    if (rereading) return
    if (!(await checkpoint.progress(partitions, time, ports))) await readAgain()
  }

  async function goBack(): Promise<void> {
    frame.log.warn(own, 'pending work was lost outside: reading it again from the bus')
    await ownership.reclaim()
    await consumer?.rewind()
  }

  const readAgain = (): Promise<void> => {
    rereading ??= goBack().finally(() => {
      rereading = undefined
    })
    return rereading
  }

  async function flush(): Promise<void> {
    const handled = ownership.handled()
    if (handled.length === 0) return
    const kept = await checkpoint.flush(
      handled.map((each) => each.partition),
      ports,
      publish,
    )
    if (kept) await consumer?.commit(handled.map((each) => ({ topic, ...each })))
    else await readAgain()
  }

  const unflushed = createTrouble(frame.log, 'flush failed; it is tried again')
  const untold = createTrouble(frame.log, 'progress not told')
  const flushOnce = (): Promise<void> => {
    flushing ??= unflushed.around(flush(), own).finally(() => {
      flushing = undefined
    })
    return flushing
  }
  const stopCron = frame.schedule(frame.ackFlushCron, flushOnce)

  /** Partitions with nothing in hand were at their end when that fetch was sent. */
  function onIdle(since: number): void {
    const idle = ownership.idle()
    if (since - progressed < progressEvery_ms || idle.length === 0) return
    progressed = since
    void untold.around(tellProgress(idle, since), own)
  }

  return {
    options: {
      commit: 'manual',
      onIdle,
      onAssigned: (assigned) => ownership.assign(new Set(assigned.map((each) => each.partition))),
    } satisfies Partial<ConsumerOptions>,

    async around(batch: RecordBatch, handle: (batch: RecordBatch) => Promise<void>): Promise<void> {
      const last = batch.records.at(-1)
      if (last === undefined) return
      await ownership.handle(batch.partition, last.offset + 1, () => handle(batch))
      await tellProgress([batch.partition], last.timestamp)
    },
    attach(each: Consumer) {
      consumer = each
    },
    async stop() {
      stopCron()
      await flushOnce()
    },
  }
}
