/**
 * Offsets that are committed only by a flush: for a worker whose work waits elsewhere (ack-tracker: in Redis)
 * until cron makes it durable (spec 2, group chat 4). What Redis loses is read again from the bus.
 */
import type { Consumer, ConsumerOptions, RecordBatch } from '../../schemas/bus.js'
import type { Frame } from './runner.js'
import type { AnyWorker, Checkpoint } from './worker.js'

const progressEvery_ms = 250

/** Wraps the batches of a worker that has a checkpoint, and flushes by cron. */
export function createCheckpointing(worker: AnyWorker, ports: unknown, frame: Frame) {
  const checkpoint = worker.checkpoint as Checkpoint<unknown>
  const topic = frame.prefix + worker.consumes.name
  /** Per owned partition: claimed, the next offset, and how many batches are in hand. */
  const owned = new Map<number, { claimed: Promise<void>; next: number | undefined; inHand: number }>()
  let consumer: Consumer | undefined
  let flushing: Promise<void> | undefined
  let progressed = 0

  const onAssigned: ConsumerOptions['onAssigned'] = (assigned) => {
    const partitions = new Set(assigned.map((each) => each.partition))
    for (const partition of owned.keys()) if (!partitions.has(partition)) owned.delete(partition)
    for (const partition of partitions) if (!owned.has(partition)) claim(partition)
  }

  function claim(partition: number): void {
    const claimed = checkpoint.begin([partition], ports)
    // A failure surfaces where a batch awaits it; without a batch nothing is lost by it.
    claimed.catch(() => {})
    owned.set(partition, { claimed, next: undefined, inHand: 0 })
  }

  async function around(batch: RecordBatch, handle: (batch: RecordBatch) => Promise<void>): Promise<void> {
    if (!owned.has(batch.partition)) claim(batch.partition)
    const mine = owned.get(batch.partition)
    if (mine === undefined) return
    try {
      await mine.claimed
    } catch (error) {
      claim(batch.partition)
      throw error
    }
    mine.inHand += 1
    try {
      await handle(batch)
    } finally {
      mine.inHand -= 1
    }
    const last = batch.records.at(-1)
    if (last === undefined) return
    mine.next = last.offset + 1
    await tellProgress([batch.partition], last.timestamp)
  }

  /** Partitions with nothing in hand were at their end when that fetch was sent. */
  function onIdle(since: number): void {
    if (since - progressed < progressEvery_ms) return
    progressed = since
    const idle = [...owned].filter(([, each]) => each.inHand === 0).map(([partition]) => partition)
    if (idle.length > 0) tellProgress(idle, since).catch((error) => warn(error, 'progress not told'))
  }

  async function tellProgress(partitions: readonly number[], time: number): Promise<void> {
    if (!(await checkpoint.progress(partitions, time, ports))) await readAgain()
  }

  /** What was lost is read again: nothing of it was committed. */
  async function readAgain(): Promise<void> {
    frame.log.warn({ worker: worker.name }, 'pending work was lost outside: reading it again from the bus')
    const partitions = [...owned.keys()]
    await checkpoint.begin(partitions, ports)
    for (const each of owned.values()) each.next = undefined
    await consumer?.rewind()
  }

  async function flush(): Promise<void> {
    const offsets = [...owned].flatMap(([partition, { next }]) =>
      next === undefined ? [] : [{ topic, partition, offset: next }],
    )
    if (offsets.length === 0) return
    const kept = await checkpoint.flush(
      offsets.map((each) => each.partition),
      ports,
    )
    if (kept) await consumer?.commit(offsets)
    else await readAgain()
  }

  const flushOnce = (): Promise<void> => {
    flushing ??= flush()
      .catch((error) => warn(error, 'flush failed; it is tried again'))
      .finally(() => {
        flushing = undefined
      })
    return flushing
  }
  const warn = (error: unknown, text: string) =>
    frame.log.warn(
      { worker: worker.name, reason: error instanceof Error ? error.message : String(error) },
      text,
    )

  const stopCron = frame.schedule(frame.ackFlushCron, flushOnce)
  return {
    options: { commit: 'manual', onAssigned, onIdle } satisfies Partial<ConsumerOptions>,
    around,
    attach(each: Consumer) {
      consumer = each
    },
    async stop() {
      stopCron()
      await flushOnce()
    },
  }
}
