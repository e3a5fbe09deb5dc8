/**
 * What one assignment of partitions brought: which are ours, and how far each has been handled. A rebalance or
 * a rewind begins a new term; whatever still works for the old one neither counts nor commits.
 */

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface TopicPartitionOffset extends TopicPartition {
  /** Of the next record: everything below is done. */
  readonly offset: number
}

export interface Term {
  readonly partitions: readonly TopicPartition[]
  owns(where: TopicPartition): boolean
  /** The group is being divided anew: finish, begin nothing. */
  end(): void
  hasEnded(): boolean
  /** Everything of this partition below `offset` has been handled. */
  handled(where: TopicPartition, offset: number): void
  uncommitted(): TopicPartitionOffset[]
  committed(offsets: readonly TopicPartitionOffset[]): void
}

export const partitionKey = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

/** Begins the term of these partitions: nothing handled, nothing committed. */
export function beginTerm(partitions: readonly TopicPartition[]): Term {
  const owned = new Set(partitions.map(partitionKey))
  const handled = new Map<string, TopicPartitionOffset>()
  const committed = new Map<string, number>()
  let ended = false
  return {
    partitions,
    owns: (where) => owned.has(partitionKey(where)),
    end() {
      ended = true
    },
    hasEnded: () => ended,
    handled({ topic, partition }, offset) {
      handled.set(partitionKey({ topic, partition }), { topic, partition, offset })
    },
    uncommitted: () =>
      [...handled].filter(([key, { offset }]) => committed.get(key) !== offset).map(([, at]) => at),
    committed(offsets) {
      for (const at of offsets) committed.set(partitionKey(at), at.offset)
    },
  }
}

/** Knows since when all partitions of a term have had nothing more for us. */
export interface Idleness {
  /** One partition was found empty, or not, by a fetch sent at `since` (ms). */
  answered(where: TopicPartition, since: number, empty: boolean): void
  /** Each partition has been answered for at least once. */
  isComplete(): boolean
  /** ms: all partitions were at their end then; undefined while one has records, or has not been asked. */
  since(): number | undefined
}

/** Watches these partitions, of which nothing is known yet. */
export function watchIdleness(partitions: readonly TopicPartition[]): Idleness {
  const emptySince = new Map<string, number | undefined>()
  return {
    answered(where, since, empty) {
      emptySince.set(partitionKey(where), empty ? since : undefined)
    },
    isComplete: () => partitions.every((where) => emptySince.has(partitionKey(where))),
    since() {
      let earliest = Number.POSITIVE_INFINITY
      for (const where of partitions) {
        const since = emptySince.get(partitionKey(where))
        if (since === undefined) return undefined
        earliest = Math.min(earliest, since)
      }
      return Number.isFinite(earliest) ? earliest : undefined
    },
  }
}
