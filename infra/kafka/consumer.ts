/** A consumer on kafkajs that commits on its own terms, notices when it is idle, and never stops unnoticed. */
import type { EachBatchPayload, Consumer as KafkaConsumer } from 'kafkajs'
import { BusUnavailable, type Consumer, type ConsumerOptions } from '../../schemas/bus.js'
import type { Admin, PartitionEnds } from './admin.js'
import { type BusSettings, createClient } from './client.js'
import { type FetchAnswer, observeFetches } from './fetches.js'
import { createHandling } from './handling.js'
import { createMembership, type Membership } from './membership.js'
import { atMost } from './patience.js'
import { createSockets, type Sockets } from './socket.js'
import { partitionKey, type TopicPartitionOffset } from './term.js'
import { type Watchdog, watch } from './watchdog.js'

const request_ms = 8_000
/** Longer than any wait for an answer, the join of a group included. */
const silence_ms = 30_000
const commit_ms = 1_000
const finish_ms = 8_000
const disconnect_ms = 3_000
const maxConcurrency = 64

const groupTimes = { sessionTimeout: 8_000, rebalanceTimeout: 12_000 }
/** A member that leaves leaves its partitions alone until the others' next heartbeat. */
const heartbeat_ms = { usual: 1_000, delayed: 300 }
/** Small enough that a batch is handled well within a heartbeat; a larger record still comes, alone. */
const fetchSizes = { minBytes: 1, maxBytesPerPartition: 512 * 1024 }
/** The first look only has to tell whether there is anything: until its answer the consumer is not ready. */
const firstWait_ms = 20
const usualWait_ms = 250
/**
 * Of a consumer that has found nothing for a while: dozens of them, each asking four times a second, kept a fifth of a
 * core busy. A record still comes at once; only a rebalance and a stop may take this much longer.
 */
const quiet = { afterFetches: 8, maxWait_ms: 1_000 }
const relaxedFetch = { minBytes: 256 * 1024 }

/** A consumer that says how far behind it is. */
export interface MeasuredConsumer extends Consumer {
  /** Records of its partitions that it has not handled yet. */
  lag(): number
}

export interface ConsumerParts {
  readonly settings: BusSettings
  readonly admin: Admin
  readonly onDead: (reason: string) => void
}

/** A consumer and all that it holds on to. */
interface Context extends ConsumerParts {
  readonly options: ConsumerOptions
  readonly groupId: string
  readonly sockets: Sockets
  readonly kafka: KafkaConsumer
  /** The ends of all partitions when the consumer was made, by partition key. */
  readonly startEnds: ReadonlyMap<string, PartitionEnds>
  readonly membership: Membership
  readonly watchdog: Watchdog
  readonly ready: Signal
  /** Resolves when the consumer has begun to leave the group. */
  readonly leaving: Signal
  readonly life: { stopping: boolean; emptyFetches: number }
}

interface Signal {
  readonly promise: Promise<void>
  resolve(): void
  reject(reason: Error): void
}

function createSignal(): Signal {
  let resolve: () => void = () => undefined
  let reject: (reason: Error) => void = () => undefined
  const promise = new Promise<void>((onDone, onFault) => {
    resolve = onDone
    reject = onFault
  })
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}

async function readEnds(admin: Admin, topics: readonly string[]): Promise<Map<string, PartitionEnds>> {
  const ends = new Map<string, PartitionEnds>()
  for (const topic of topics)
    for (const each of await admin.ends(topic))
      ends.set(partitionKey({ topic, partition: each.partition }), each)
  return ends
}

/** Asks the brokers whether records wait in our partitions. */
async function hasLag(
  { admin, groupId, options }: ConsumerParts & Pick<Context, 'groupId' | 'options'>,
  membership: Membership,
) {
  for (const topic of options.topics) {
    const committed = await admin.committed(groupId, topic)
    for (const { partition, low, high } of await admin.ends(topic)) {
      const where = { topic, partition }
      const position = membership.position(where) ?? committed.get(partition) ?? low
      if (membership.term().owns(where) && high > position) return true
    }
  }
  return false
}

async function commitDone({ options, membership, settings, groupId }: Context): Promise<void> {
  if (options.commit === 'manual') return
  try {
    await membership.commit(membership.term().uncommitted())
  } catch (error) {
    // It is tried again in a second; what a rebalance leaves uncommitted comes again.
    settings.log.debug({ group: groupId, reason: (error as Error).message }, 'commit failed')
  }
}

const seekTo = (kafka: KafkaConsumer, { topic, partition, offset }: TopicPartitionOffset) =>
  kafka.seek({ topic, partition, offset: String(offset) })

/** How long the next fetch may wait; whoever has to know soon that a partition is at its end never waits long. */
function waitAfter({ life, options }: Context, answers: readonly FetchAnswer[]): number {
  life.emptyFetches = answers.every(({ empty }) => empty) ? life.emptyFetches + 1 : 0
  const inNoHurry = options.onIdle === undefined && options.delayMs === undefined
  return inNoHurry && life.emptyFetches >= quiet.afterFetches ? quiet.maxWait_ms : usualWait_ms
}

function onFetched(context: Context, since: number, answers: readonly FetchAnswer[]): number {
  const { membership, watchdog, ready, options } = context
  if (answers.length > 0 || membership.term().partitions.length === 0) watchdog.fetched()
  const idleSince = membership.fetched(since, answers)
  if (membership.isReady()) ready.resolve()
  if (idleSince !== undefined && !context.life.stopping) options.onIdle?.(idleSince)
  return waitAfter(context, answers)
}

function onJoin(context: Context, assignment: Readonly<Record<string, readonly number[]>>): void {
  const { membership, kafka, options, startEnds, settings, groupId } = context
  const partitions = Object.entries(assignment).flatMap(([topic, numbers]) =>
    numbers.map((partition) => ({ topic, partition })),
  )
  membership.begin(partitions)
  context.watchdog.member()
  context.watchdog.progress()
  // Not by offsets committed beforehand: that takes a join and a leave of its own.
  if (options.start === 'end')
    for (const where of partitions) {
      const offset = membership.position(where) ?? startEnds.get(partitionKey(where))?.high ?? 0
      seekTo(kafka, { ...where, offset })
    }
  settings.log.info({ group: groupId, partitions: partitions.map(partitionKey) }, 'joined the group')
  options.onAssigned?.(partitions)
  if (partitions.length === 0) context.ready.resolve()
}

function listen(context: Context): void {
  const { kafka, membership, watchdog, settings, groupId, onDead } = context
  const { GROUP_JOIN, REBALANCING, HEARTBEAT, CRASH, DISCONNECT } = kafka.events
  let unobserve: () => void = () => undefined

  kafka.on(GROUP_JOIN, ({ payload }) => {
    unobserve()
    unobserve = observeFetches(payload.memberId, (since, answers) => onFetched(context, since, answers))
    onJoin(context, payload.memberAssignment)
  })
  kafka.on(HEARTBEAT, () => watchdog.member())
  kafka.on(REBALANCING, () => {
    membership.term().end()
    // Written before kafkajs asks to join, on the same connection: the old term still counts.
    void commitDone(context)
  })
  kafka.on(DISCONNECT, () => unobserve())
  kafka.on(CRASH, ({ payload: { error, restart } }) => {
    membership.forsake()
    // kafkajs calls it a crash also where it only has to join again, as when a coordinator is still loading.
    if (restart) settings.log.info({ group: groupId, reason: error.message }, 'consumer joins again')
    if (!restart && !context.life.stopping) onDead(`group ${groupId}: ${error.message}`)
  })
}

/** kafkajs' eachBatch, and a promise of the moment when nothing is in hand. */
function createHands(context: Context) {
  const { membership, options, settings, watchdog, groupId, leaving } = context
  const inHand = new Set<Promise<void>>()
  const handle = createHandling({
    group: groupId,
    delayMs: options.delayMs,
    recordsAtOnce: options.recordsAtOnce,
    onBatch: options.onBatch,
    log: settings.log,
    currentTerm: membership.term,
    isStopping: () => context.life.stopping,
    onProgress: () => watchdog.progress(),
    onFailed: () => settings.observer?.batchFailed(options.group),
    async onHandled(term, where, offset) {
      membership.handled(term, where, offset)
      // A delayed action is not to be repeated because its commit waited for the timer.
      if (options.delayMs !== undefined) await commitDone(context)
    },
  })

  async function eachBatch(payload: EachBatchPayload): Promise<void> {
    membership.commitBy(payload.commitOffsetsIfNecessary)
    // Between the last batch and our leaving, nothing is begun.
    if (context.life.stopping) return leaving.promise
    const work = handle(payload)
    inHand.add(work)
    try {
      await work
    } finally {
      inHand.delete(work)
    }
  }

  return { eachBatch, empty: () => Promise.allSettled(inHand) }
}

async function rewind({ admin, options, groupId, membership, startEnds, kafka }: Context): Promise<void> {
  const ends = options.start === 'end' ? startEnds : await readEnds(admin, options.topics)
  const back: TopicPartitionOffset[] = []
  for (const topic of options.topics) {
    const committed = await admin.committed(groupId, topic)
    for (const where of membership.term().partitions.filter((each) => each.topic === topic)) {
      const end = ends.get(partitionKey(where))
      const beginning = (options.start === 'end' ? end?.high : end?.low) ?? 0
      back.push({ ...where, offset: committed.get(where.partition) ?? beginning })
    }
  }
  // From here on nothing else runs until the end: the next fetch starts at these offsets.
  const { partitions, owns } = membership.term()
  membership.begin(partitions)
  for (const at of back.filter(owns)) {
    membership.moveTo(at)
    seekTo(kafka, at)
  }
}

async function leave(context: Context, emptyHands: () => Promise<unknown>): Promise<void> {
  const { kafka, sockets, watchdog, ready, leaving, options } = context
  await atMost(finish_ms, emptyHands())
  await atMost(disconnect_ms, commitDone(context))
  const gone = kafka.disconnect()
  leaving.resolve()
  await atMost(disconnect_ms, gone)
  watchdog.stop()
  sockets.destroy()
  ready.reject(new Error('the consumer was stopped'))
  options.onAssigned?.([])
}

/** Connects, without joining the group yet. */
async function connect(parts: ConsumerParts, options: ConsumerOptions): Promise<Context> {
  const { settings, admin } = parts
  const groupId = settings.prefix + options.group
  const startEnds = await readEnds(admin, options.topics)
  const life = { stopping: false, emptyFetches: 0 }
  const sockets = createSockets({ connect: settings.connect, silence_ms })
  const kafka = createClient(settings, sockets, request_ms).consumer({
    groupId,
    ...groupTimes,
    heartbeatInterval: options.delayMs === undefined ? heartbeat_ms.usual : heartbeat_ms.delayed,
    ...fetchSizes,
    maxWaitTimeInMs: firstWait_ms,
    ...(options.relaxed ? relaxedFetch : {}),
    allowAutoTopicCreation: false,
    // Otherwise one that crashes while it stops starts again.
    retry: { restartOnFailure: async () => !life.stopping },
  })
  try {
    await kafka.connect()
    await kafka.subscribe({ topics: [...options.topics], fromBeginning: true })
  } catch (error) {
    sockets.destroy()
    throw new BusUnavailable((error as Error).message, { cause: error })
  }
  const membership = createMembership()
  const watchdog = watch({
    group: groupId,
    log: settings.log,
    onDead: parts.onDead,
    hasLag: () => hasLag({ ...parts, groupId, options }, membership),
  })
  const signals = { ready: createSignal(), leaving: createSignal() }
  return {
    ...parts,
    options,
    groupId,
    sockets,
    kafka,
    startEnds,
    membership,
    watchdog,
    ...signals,
    life,
  }
}

/**
 * Joins the group and consumes. Resolves before the group has answered; `ready` tells when it has.
 * @throws BusUnavailable when no broker answers
 */
export async function createConsumer(
  parts: ConsumerParts,
  options: ConsumerOptions,
): Promise<MeasuredConsumer> {
  const context = await connect(parts, options)
  const { kafka, groupId, membership, startEnds, ready } = context
  const { eachBatch, empty } = createHands(context)
  listen(context)
  const timer = setInterval(() => void commitDone(context), commit_ms)
  kafka
    .run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: Math.min(Math.max(startEnds.size, 1), maxConcurrency),
      eachBatch,
    })
    .catch((error: Error) => parts.onDead(`group ${groupId}: ${error.message}`))

  let left: Promise<void> | undefined
  return {
    ready: ready.promise,
    isReady: () => !context.life.stopping && membership.isReady(),
    commit: (offsets) => membership.commit(offsets.filter(membership.term().owns)),
    rewind: () => rewind(context),
    lag: membership.lag,
    stop() {
      context.life.stopping = true
      clearInterval(timer)
      left ??= leave(context, empty)
      return left
    },
  }
}
