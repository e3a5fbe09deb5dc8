/** What a consumer knows of its place in the group: the present term, what of it is done, committed and idle. */
import type { EachBatchPayload } from 'kafkajs'
import { BusUnavailable } from '../../schemas/bus.js'
import type { FetchAnswer } from './fetches.js'
import {
  beginTerm,
  type Idleness,
  partitionKey,
  type Term,
  type TopicPartition,
  type TopicPartitionOffset,
  watchIdleness,
} from './term.js'

/** kafkajs' own way to commit from within a batch: once, in the name of the present generation. */
export type CommitRequest = EachBatchPayload['commitOffsetsIfNecessary']

export interface Membership {
  term(): Term
  /** The group gave us these, or a rewind made us begin anew with them. */
  begin(partitions: readonly TopicPartition[]): void
  /** We are no member any more; kafkajs will join anew. */
  forsake(): void
  /** The way to commit since the last join. */
  commitBy(request: CommitRequest): void
  /**
   * Commits in the name of the term it is called in; the group refuses it once that is over.
   * @throws BusUnavailable when nothing was read since the join
   */
  commit(offsets: readonly TopicPartitionOffset[]): Promise<void>
  /** Everything of this partition below `offset` has been handled, if `term` is still the present one. */
  handled(term: Term, where: TopicPartition, offset: number): void
  /** The next offset to be handled, over all terms; undefined before the first. */
  position(where: TopicPartition): number | undefined
  moveTo(at: TopicPartitionOffset): void
  /** Notes a fetch; tells since when (ms) all partitions have been at their end, if they are. */
  fetched(since: number, answers: readonly FetchAnswer[]): number | undefined
  /** Joined, and each partition was answered for since. */
  isReady(): boolean
  /** Records in our partitions that are not handled yet, as of the last fetches. */
  lag(): number
}

const commitFormat = (offsets: readonly TopicPartitionOffset[]) => ({
  topics: [...new Set(offsets.map(({ topic }) => topic))].map((topic) => ({
    topic,
    partitions: offsets
      .filter((at) => at.topic === topic)
      .map(({ partition, offset }) => ({ partition, offset: String(offset) })),
  })),
})

export function createMembership(): Membership {
  let term: Term = beginTerm([])
  let idleness: Idleness = watchIdleness([])
  let commitRequest: CommitRequest | undefined
  let joined = false
  const positions = new Map<string, number>()
  /** By partition: of the next record to come, and where we began to read. */
  const seen = new Map<string, { high: number; readonly from: number }>()

  function note(answer: FetchAnswer): void {
    const key = partitionKey(answer)
    const known = seen.get(key)
    if (known === undefined) seen.set(key, { high: answer.high, from: answer.from })
    else known.high = answer.high
  }

  function lagOf(key: string): number {
    const known = seen.get(key)
    return known === undefined ? 0 : Math.max(0, known.high - (positions.get(key) ?? known.from))
  }

  return {
    term: () => term,
    begin(partitions) {
      term = beginTerm(partitions)
      idleness = watchIdleness(partitions)
      joined = true
    },
    forsake() {
      term.end()
      commitRequest = undefined
      joined = false
    },
    commitBy(request) {
      commitRequest = request
    },
    async commit(offsets) {
      if (offsets.length === 0) return
      // Not the consumer's commitOffsets: that one repeats a refused commit after the next join, when the
      // partition may be another's, and takes the other's offset back.
      if (commitRequest === undefined) throw new BusUnavailable('nothing was read since the group was joined')
      const mine = term
      await commitRequest(commitFormat(offsets))
      mine.committed(offsets)
    },
    handled(of, where, offset) {
      if (of !== term) return
      term.handled(where, offset)
      positions.set(partitionKey(where), offset)
    },
    position: (where) => positions.get(partitionKey(where)),
    moveTo(at) {
      positions.set(partitionKey(at), at.offset)
    },
    fetched(since, answers) {
      for (const answer of answers) {
        idleness.answered(answer, since, answer.empty)
        note(answer)
      }
      return answers.length > 0 && answers.every(({ empty }) => empty) ? idleness.since() : undefined
    },
    isReady: () => joined && !term.hasEnded() && idleness.isComplete(),
    lag: () => term.partitions.reduce((sum, where) => sum + lagOf(partitionKey(where)), 0),
  }
}
