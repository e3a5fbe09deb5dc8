/**
 * kafkajs says that a fetch ended, not what it brought: a failed fetch and one that found every partition at
 * its end look the same. Importing this file lets a consumer see the answers themselves.
 */
import { createRequire } from 'node:module'

interface FetchedBatch {
  topic: string
  partition: number
  rawMessages: unknown[]
  fetchedOffset: string
  highWatermark: string
}

interface ConsumerGroup {
  memberId: string | null
  maxWaitTime: number
  fetch(nodeId: number): Promise<FetchedBatch[]>
}

/** What the broker said about one partition: whether it had anything past our position. */
export interface FetchAnswer {
  readonly topic: string
  readonly partition: number
  readonly empty: boolean
  /** The offset that was asked for. */
  readonly from: number
  /** Of the next record to come. */
  readonly high: number
}

/** Answers how long (ms) the next fetch may wait for a first record. */
type Observer = (since: number, answers: readonly FetchAnswer[]) => number

const observers = new Map<string, Observer>()

const { prototype } = createRequire(import.meta.url)('kafkajs/src/consumer/consumerGroup.js') as {
  prototype: ConsumerGroup
}
const fetch = prototype.fetch

prototype.fetch = async function (nodeId) {
  const since = Date.now()
  const batches = await fetch.call(this, nodeId)
  const observer = this.memberId === null ? undefined : observers.get(this.memberId)
  if (observer === undefined) return batches
  const answers = batches.map(({ topic, partition, rawMessages, fetchedOffset, highWatermark }) => ({
    topic,
    partition,
    empty: rawMessages.length === 0,
    from: Number(fetchedOffset),
    high: Number(highWatermark),
  }))
  this.maxWaitTime = observer(since, answers)
  return batches
}

/**
 * Calls `observer` after each fetch of this group member, with one answer per partition that the broker
 * answered for (none when the fetch failed), and the time (ms) before the fetch was sent. What it returns is how long
 * the next fetch may wait for a first record.
 */
export function observeFetches(memberId: string, observer: Observer): () => void {
  observers.set(memberId, observer)
  return () => observers.delete(memberId)
}
