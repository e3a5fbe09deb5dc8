/** A consumer on kafkajs that commits on its own terms, notices when it is idle, and never stops unnoticed. */
import type { EachBatchPayload, Consumer as KafkaConsumer } from 'kafkajs'
import { BusUnavailable, type Consumer, type ConsumerOptions } from '../../schemas/bus.js'
import type { Admin, PartitionEnds } from './admin.js'
import { type BusSettings, createClient } from './client.js'
import { observeFetches } from './fetches.js'
import { createHandling } from './handling.js'
import { createSockets } from './socket.js'
import {
  beginTerm,
  type Idleness,
  partitionKey,
  type Term,
  type TopicPartition,
  type TopicPartitionOffset,
  watchIdleness,
} from './term.js'
import { watch } from './watchdog.js'

const request_ms = 8_000
/** Longer than any wait for an answer, the join of a group included. */
const silence_ms = 30_000
const commit_ms = 1_000
const finish_ms = 8_000
const disconnect_ms = 3_000
const maxConcurrency = 64

const groupTimes = { sessionTimeout: 8_000, heartbeatInterval: 1_500, rebalanceTimeout: 12_000 }
/** Small enough that a batch is handled well within a heartbeat; a larger record still comes, alone. */
const fetchSizes = { minBytes: 1, maxBytesPerPartition: 512 * 1024, maxWaitTimeInMs: 250 }

type CommitRequest = EachBatchPayload['commitOffsetsIfNecessary']

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const byTopic = (offsets: readonly TopicPartitionOffset[]) => ({
  topics: [...new Set(offsets.map(({ topic }) => topic))].map((topic) => ({
    topic,
    partitions: offsets
      .filter((at) => at.topic === topic)
      .map(({ partition, offset }) => ({ partition, offset: String(offset) })),
  })),
})

function createSignal() {
  let resolve: () => void = () => undefined
  let reject: (reason: Error) => void = () => undefined
  const promise = new Promise<void>((onDone, onFault) => {
    resolve = onDone
    reject = onFault
  })
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}

/** Counts the batches in hand. */
function createHands() {
  const inHand = new Set<Promise<void>>()
  return {
    hold(work: Promise<void>): Promise<void> {
      inHand.add(work)
      const release = () => inHand.delete(work)
      work.then(release, release)
      return work
    },
    empty: () => Promise.allSettled(inHand),
  }
}

export interface ConsumerParts {
  readonly settings: BusSettings
  readonly admin: Admin
  readonly onDead: (reason: string) => void
}

/** The ends of the partitions of all topics, by partition key. */
async function readEnds(admin: Admin, topics: readonly string[]): Promise<Map<string, PartitionEnds>> {
  const ends = new Map<string, PartitionEnds>()
  for (const topic of topics)
    for (const each of await admin.ends(topic))
      ends.set(partitionKey({ topic, partition: each.partition }), each)
  return ends
}

/**
 * Joins the group and consumes. Resolves before the group has answered; `ready` tells when it has.
 * @throws BusUnavailable when no broker answers
 */
export async function createConsumer(
  { settings, admin, onDead }: ConsumerParts,
  options: ConsumerOptions,
): Promise<Consumer> {
  const groupId = settings.prefix + options.group
  const { log } = settings
  const sockets = createSockets({ connect: settings.connect, silence_ms })
  const kafka: KafkaConsumer = createClient(settings, sockets, request_ms).consumer({
    groupId,
    ...groupTimes,
    ...fetchSizes,
    allowAutoTopicCreation: false,
  })
  const startEnds = await readEnds(admin, options.topics)

  let term: Term = beginTerm([])
  let idleness: Idleness = watchIdleness([])
  let commitRequest: CommitRequest | undefined
  let unobserve: () => void = () => undefined
  let stopping: Promise<void> | undefined
  let joined = false
  /** How far each partition was handled, over all terms. */
  const positions = new Map<string, number>()
  const hands = createHands()
  const ready = createSignal()
  const left = createSignal()

  const watchdog = watch({ group: groupId, log, hasLag, onDead: die })

  function die(reason: string): void {
    watchdog.stop()
    onDead(reason)
  }

  async function hasLag(): Promise<boolean> {
    const owned = term.partitions
    for (const topic of new Set(owned.map((where) => where.topic))) {
      const committed = await admin.committed(groupId, topic)
      for (const { partition, low, high } of await admin.ends(topic)) {
        const where = { topic, partition }
        if (
          term.owns(where) &&
          high > (positions.get(partitionKey(where)) ?? committed.get(partition) ?? low)
        )
          return true
      }
    }
    return false
  }

  /** Commits in the name of the term it was called in: the group refuses it once that is over. */
  async function commitNow(offsets: readonly TopicPartitionOffset[]): Promise<void> {
    if (offsets.length === 0) return
    // Not the consumer's own commitOffsets: that one repeats a refused commit after the next join, when the
    // partition may be another's, and takes its offset back.
    if (commitRequest === undefined) throw new BusUnavailable('nothing was read since the group was joined')
    const mine = term
    await commitRequest(byTopic(offsets))
    mine.committed(offsets)
  }

  async function commitDone(): Promise<void> {
    if (options.commit === 'manual') return
    try {
      await commitNow(term.uncommitted())
    } catch (error) {
      // It is tried again in a second; what a rebalance leaves uncommitted comes again.
      log.debug({ group: groupId, reason: (error as Error).message }, 'commit failed')
    }
  }

  function seekTo(where: TopicPartition, offset: number): void {
    kafka.seek({ ...where, offset: String(offset) })
  }

  function onJoin(assignment: Readonly<Record<string, readonly number[]>>, memberId: string): void {
    const partitions = Object.entries(assignment).flatMap(([topic, numbers]) =>
      numbers.map((partition) => ({ topic, partition })),
    )
    term = beginTerm(partitions)
    idleness = watchIdleness(partitions)
    joined = true
    watchdog.member()
    unobserve()
    unobserve = observeFetches(memberId, onFetched)
    if (options.start === 'end')
      for (const where of partitions) {
        const key = partitionKey(where)
        seekTo(where, positions.get(key) ?? startEnds.get(key)?.high ?? 0)
      }
    log.info({ group: groupId, partitions: partitions.map(partitionKey) }, 'joined the group')
    options.onAssigned?.(partitions)
    if (partitions.length === 0) ready.resolve()
  }

  function onFetched(
    since: number,
    answers: readonly (TopicPartition & { readonly empty: boolean })[],
  ): void {
    if (answers.length > 0 || term.partitions.length === 0) watchdog.fetched()
    for (const { topic, partition, empty } of answers) idleness.answered({ topic, partition }, since, empty)
    if (idleness.isComplete()) ready.resolve()
    if (!answers.some(({ empty }) => !empty) && answers.length > 0) {
      const idleSince = idleness.since()
      if (idleSince !== undefined && !stopping) options.onIdle?.(idleSince)
    }
  }

  const handle = createHandling({
    group: groupId,
    delayMs: options.delayMs,
    onBatch: options.onBatch,
    log,
    currentTerm: () => term,
    isStopping: () => stopping !== undefined,
    onProgress: () => watchdog.progress(),
    async onHandled(of, where, offset) {
      if (of !== term) return
      of.handled(where, offset)
      positions.set(partitionKey(where), offset)
      // A delayed action is not to be repeated because of a commit that waited for the timer.
      if (options.delayMs !== undefined) await commitDone()
    },
  })

  async function eachBatch(payload: EachBatchPayload): Promise<void> {
    commitRequest = payload.commitOffsetsIfNecessary
    // Between the last batch and our leaving, nothing is begun.
    if (stopping) await left.promise
    else await hands.hold(handle(payload))
  }

  function listen(): void {
    const { GROUP_JOIN, REBALANCING, HEARTBEAT, CRASH } = kafka.events
    kafka.on(GROUP_JOIN, ({ payload }) => onJoin(payload.memberAssignment, payload.memberId))
    kafka.on(HEARTBEAT, () => watchdog.member())
    kafka.on(REBALANCING, () => {
      term.end()
      // Written before kafkajs asks to join, on the same connection: the old term still counts.
      void commitDone()
    })
    kafka.on(CRASH, ({ payload: { error, restart } }) => {
      term.end()
      commitRequest = undefined
      joined = false
      log.warn({ group: groupId, reason: error.message, restart }, 'consumer crashed')
      if (!restart && !stopping) die(`group ${groupId}: ${error.message}`)
    })
  }

  async function rewind(): Promise<void> {
    const back: TopicPartitionOffset[] = []
    const ends = await readEnds(admin, options.topics)
    for (const topic of options.topics) {
      const committed = await admin.committed(groupId, topic)
      for (const { partition } of term.partitions.filter((where) => where.topic === topic)) {
        const key = partitionKey({ topic, partition })
        const beginning = options.start === 'end' ? startEnds.get(key)?.high : ends.get(key)?.low
        back.push({ topic, partition, offset: committed.get(partition) ?? beginning ?? 0 })
      }
    }
    // From here to the end nothing else runs: the next fetch starts at the new offsets.
    const owned = term.partitions
    term = beginTerm(owned)
    idleness = watchIdleness(owned)
    for (const { topic, partition, offset } of back) {
      if (!term.owns({ topic, partition })) continue
      positions.set(partitionKey({ topic, partition }), offset)
      seekTo({ topic, partition }, offset)
    }
  }

  async function stop(): Promise<void> {
    clearInterval(timer)
    await Promise.race([hands.empty(), sleep(finish_ms)])
    await Promise.race([commitDone(), sleep(disconnect_ms)])
    const gone = kafka.disconnect().catch(() => undefined)
    left.resolve()
    await Promise.race([gone, sleep(disconnect_ms)])
    watchdog.stop()
    unobserve()
    sockets.destroy()
    ready.reject(new Error('the consumer was stopped'))
    options.onAssigned?.([])
  }

  try {
    await kafka.connect()
    await kafka.subscribe({ topics: [...options.topics], fromBeginning: true })
  } catch (error) {
    watchdog.stop()
    sockets.destroy()
    throw new BusUnavailable((error as Error).message, { cause: error })
  }
  listen()
  const timer = setInterval(() => void commitDone(), commit_ms)
  kafka
    .run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: Math.min(Math.max(startEnds.size, 1), maxConcurrency),
      eachBatch,
    })
    .catch((error: Error) => die(`group ${groupId}: ${error.message}`))

  return {
    ready: ready.promise,
    isReady: () => joined && stopping === undefined && !term.hasEnded() && idleness.isComplete(),
    commit: (offsets) => commitNow(offsets.filter((where) => term.owns(where))),
    rewind,
    stop: () => {
      stopping ??= stop()
      return stopping
    },
  }
}
