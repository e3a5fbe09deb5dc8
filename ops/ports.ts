/** What the operator's commands need of the bus beyond publishing. Types only; infra/kafka/inspection.ts implements them. */
import type { IncomingRecord } from '../schemas/bus.js'

/** The offsets at both ends of a partition: of the oldest record, and of the next one to come. */
export interface PartitionEnds {
  readonly partition: number
  readonly low: number
  readonly high: number
}

export interface GroupState {
  /** Stable, Empty, PreparingRebalance …; Dead where the brokers do not know the group. */
  readonly state: string
  readonly members: number
}

export interface TopicLayout {
  readonly partitions: number
  /** Least number of copies of a partition. */
  readonly replicas: number
  /** Partitions with fewer copies in step than they have. */
  readonly outOfStep: number
  readonly config: Readonly<Record<string, string>>
}

export interface Room {
  /** For whoever has no special rights. */
  readonly free_bytes: number
  readonly total_bytes: number
}

/** A folder of a broker's log (log.dirs). */
export interface LogFolder {
  /** host:port */
  readonly broker: string
  readonly folder: string
  /** The broker goes on without it: it could not write there. */
  readonly offline: boolean
  /** Undefined where the broker cannot tell. */
  readonly room?: Room
}

/** Where a range of records lies: from this offset up to, and without, the other. */
export interface Range {
  readonly partition: number
  readonly from: number
  readonly to: number
}

/** Names of topics and groups come whole, with their prefix. */
export interface BusInspection {
  /** host:port of each broker. */
  brokers(): Promise<readonly string[]>
  topicNames(): Promise<readonly string[]>
  groupNames(): Promise<readonly string[]>
  /** None where there is no such topic. */
  ends(topic: string): Promise<readonly PartitionEnds[]>
  /** By partition; those without a committed offset are left out. */
  committed(group: string, topic: string): Promise<ReadonlyMap<number, number>>
  states(groups: readonly string[]): Promise<ReadonlyMap<string, GroupState>>
  /** Of each partition the offset of the first record appended at `time` (ms) or later; its end where there is none. */
  offsetsAt(topic: string, time: number): Promise<ReadonlyMap<number, number>>
  /** The records of a range in order, in batches as they come. Joins no group, moves no offset. */
  read(topic: string, range: Range): AsyncIterable<readonly IncomingRecord[]>
  /** Deletes the records below these offsets for good. */
  deleteBelow(topic: string, offsets: ReadonlyMap<number, number>): Promise<void>
  layouts(topics: readonly string[]): Promise<ReadonlyMap<string, TopicLayout>>
  /** Of all brokers that are there; undefined where one is too old to tell, or may not tell this user. */
  logFolders(): Promise<readonly LogFolder[] | undefined>
  /**
   * Sets the committed offsets of a group that may be at work: its members are put out of it first, which ends their
   * commits too; they join again at once and begin there.
   * @throws Error where the group does not stay empty for long enough
   */
  moveGroup(group: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void>
  close(): Promise<void>
}

/** What the doctor asks of the database. */
export interface DatabaseFacts {
  readonly version: string
  /** How far its clock is before ours, ms. */
  readonly ahead_ms: number
  /** Migrations of this release that have not run there. */
  readonly pending: readonly string[]
  /** Those that ran there and this release does not know, or knows otherwise. */
  readonly foreign: readonly string[]
  readonly connections: number
  readonly maxConnections: number
}

/** What a database needs that was restored: it knows less than clients and topics do. */
export interface RestoredDatabase {
  /** Raises what clients keep and compare (cursors, versions, ids of groups) above all that they can have seen. */
  advance(): Promise<void>
  /** Raises the numbers that conversations go on with. Answers how many conversations there are. */
  renumber(): Promise<number>
}

/** A disk that our processes write to. */
export interface DiskFacts extends Room {
  /** That names the folder. */
  readonly setting: string
  readonly folder: string
}

export interface RedisFacts {
  readonly version: string
  /** More than one in a cluster. */
  readonly masters: number
  /** How far its clock is before ours, ms. */
  readonly ahead_ms: number
  /** What it does when its memory is full; empty where it does not say. */
  readonly evictionPolicy: string
  /** 0: no limit. */
  readonly maxMemoryBytes: number
  readonly liveGates: number
}
