/**
 * Topics and offsets. Topics go over one connection, made at first use and anew after a failure; offsets over
 * one of their own each time, since a kafkajs client that asked about a topic fails at everything once that
 * topic is deleted.
 */
import type { Admin as KafkaAdmin } from 'kafkajs'
import { BusRefused, BusUnavailable, type TopicSettings } from '../../schemas/bus.js'
import { type BusSettings, createClient } from './client.js'
import { type Cluster, clusterOf } from './cluster.js'
import { sleep } from './patience.js'
import { createSockets, type Sockets } from './socket.js'

const request_ms = 5_000
const create_ms = 15_000
const settle_ms = 10_000
const settlePoll_ms = 30

/** The offsets at both ends of a partition: of the oldest record, and of the next one to come. */
export interface PartitionEnds {
  readonly partition: number
  readonly low: number
  readonly high: number
}

interface Connection {
  readonly admin: KafkaAdmin
  readonly sockets: Sockets
}

export interface Admin {
  ensureTopics(topics: readonly TopicSettings[]): Promise<string[]>
  deleteTopics(names: readonly string[]): Promise<void>
  listTopics(): Promise<string[]>
  /** @throws when there is no such topic */
  ends(topic: string): Promise<PartitionEnds[]>
  /** Committed offsets of a group by partition; those without one are left out. */
  committed(groupId: string, topic: string): Promise<Map<number, number>>
  close(): Promise<void>
}

/** What the broker answered, by the protocol's name of it; undefined for any other fault. */
const typeOf = (error: unknown): string | undefined => (error as { type?: string }).type

const isInternal = (topic: string): boolean => topic.startsWith('__')

/** What only somebody else can change, and who that is. */
const remedies: Readonly<Record<string, string>> = {
  TOPIC_AUTHORIZATION_FAILED: 'let this user create topics with TOPIC_PREFIX (docs/operate/kafka.md)',
  CLUSTER_AUTHORIZATION_FAILED: 'let this user create topics with TOPIC_PREFIX (docs/operate/kafka.md)',
  INVALID_REPLICATION_FACTOR: 'TOPIC_REPLICATION can be the number of brokers at most',
  POLICY_VIOLATION: 'the brokers have a policy for topics (create.topic.policy.class.name)',
}

/** A controller takes 10,000 changes in one request, and each partition is one. */
const partitionsAtOnce = 1_000

/** So that no request makes more than `partitionsAtOnce`; a larger topic gets one of its own. */
export function inRequests(topics: readonly TopicSettings[]): TopicSettings[][] {
  const requests: TopicSettings[][] = []
  let room = 0
  for (const topic of topics) {
    const last = requests.at(-1)
    if (last === undefined || topic.partitions > room) {
      requests.push([topic])
      room = partitionsAtOnce
    } else last.push(topic)
    room -= topic.partitions
  }
  return requests
}

/** @returns whether they were made; false where another process was faster with some of them */
async function createTopics(
  admin: KafkaAdmin,
  topics: readonly TopicSettings[],
  { replication, minInSync }: BusSettings,
): Promise<boolean> {
  const copies: Record<string, string> = minInSync ? { 'min.insync.replicas': String(minInSync) } : {}
  try {
    return await admin.createTopics({
      timeout: create_ms,
      waitForLeaders: false,
      topics: topics.map(({ name: topic, partitions, config }) => ({
        topic,
        numPartitions: partitions,
        replicationFactor: replication,
        configEntries: Object.entries({ ...copies, ...config }).map(([name, value]) => ({ name, value })),
      })),
    })
  } catch (error) {
    // One error for each topic that was not made, others among them that are there already.
    const { errors = [error] } = error as { errors?: (Error & { topic?: string })[] }
    const first = errors.find((each) => typeOf(each) !== 'TOPIC_ALREADY_EXISTS') as Error & { topic?: string }
    const says = `topic ${first.topic ?? topics[0]!.name} cannot be made: ${first.message}`
    const remedy = remedies[typeOf(first) ?? '']
    if (remedy !== undefined) throw new BusRefused(says, remedy, { cause: error })
    throw new Error(says, { cause: error })
  }
}

/** A topic that was just made, or whose leader moves: the brokers agree on it within moments. */
const isSettling = (error: unknown): boolean =>
  ['NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE', 'UNKNOWN_TOPIC_OR_PARTITION'].includes(
    typeOf(error) ?? '',
  )

async function onceSettled<T>(ask: () => Promise<T>): Promise<T> {
  const end = Date.now() + settle_ms
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!isSettling(error) || Date.now() > end) throw error
      await sleep(settlePoll_ms)
    }
  }
}

async function endsOf(admin: KafkaAdmin, topic: string): Promise<PartitionEnds[]> {
  const partitions = await admin.fetchTopicOffsets(topic)
  return partitions.map(({ partition, low, high }) => ({ partition, low: Number(low), high: Number(high) }))
}

/** Asks the leader of each partition, all of them with one request to each broker. */
async function askOffsets(cluster: Cluster, topics: readonly TopicSettings[]): Promise<void> {
  await cluster.addMultipleTargetTopics(topics.map(({ name }) => name))
  await cluster.refreshMetadata()
  await cluster.fetchTopicsOffset(
    topics.map(({ name, partitions }) => ({
      topic: name,
      partitions: Array.from({ length: partitions }, (_, partition) => ({ partition })),
      fromBeginning: false,
    })),
  )
}

/** One connection for topics, kept; and new ones for offsets. */
function createConnections(settings: BusSettings) {
  let shared: Promise<Connection> | undefined

  async function connect(): Promise<Connection> {
    const sockets = createSockets({ connect: settings.connect })
    const admin = createClient(settings, sockets, request_ms).admin()
    try {
      await admin.connect()
    } catch (error) {
      sockets.destroy()
      throw new BusUnavailable(`no broker can be reached: ${(error as Error).message}`, { cause: error })
    }
    return { admin, sockets }
  }

  async function withShared<T>(ask: (admin: KafkaAdmin) => Promise<T>): Promise<T> {
    shared ??= connect()
    const mine = shared
    try {
      return await ask((await mine).admin)
    } catch (error) {
      if (shared === mine) {
        shared = undefined
        mine.then(({ sockets }) => sockets.destroy()).catch(() => undefined)
      }
      throw error
    }
  }

  async function withFresh<T>(ask: (admin: KafkaAdmin) => Promise<T>): Promise<T> {
    const { admin, sockets } = await connect()
    try {
      return await ask(admin)
    } finally {
      sockets.destroy()
    }
  }

  async function withCluster<T>(ask: (cluster: Cluster) => Promise<T>): Promise<T> {
    const sockets = createSockets({ connect: settings.connect })
    const cluster = clusterOf(createClient(settings, sockets, request_ms))
    try {
      await cluster.connect()
      return await ask(cluster)
    } finally {
      sockets.destroy()
    }
  }

  async function close(): Promise<void> {
    const connection = await shared?.catch(() => undefined)
    shared = undefined
    connection?.sockets.destroy()
  }

  return { withShared, withFresh, withCluster, close }
}

/** Asks and changes what is there beside records. Connects at the first use. */
export function createAdmin(settings: BusSettings): Admin {
  const { withShared, withFresh, withCluster, close } = createConnections(settings)

  const listTopics = () =>
    withShared(async (admin) => (await admin.listTopics()).filter((name) => !isInternal(name)))

  async function ensureTopics(topics: readonly TopicSettings[]): Promise<string[]> {
    const there = new Set(await listTopics())
    const missing = topics.filter(({ name }) => !there.has(name))
    if (missing.length === 0) return []
    const made: string[] = []
    await withShared(async (admin) => {
      for (const topics of inRequests(missing))
        if (await createTopics(admin, topics, settings)) made.push(...topics.map(({ name }) => name))
    })
    // Metadata names a leader before that one serves; offsets can be asked only of one that does.
    await withCluster((cluster) => onceSettled(() => askOffsets(cluster, missing)))
    return made
  }

  async function deleteTopics(names: readonly string[]): Promise<void> {
    const there = new Set(await listTopics())
    const topics = names.filter((name) => there.has(name))
    if (topics.length === 0) return
    await withShared(async (admin) => {
      try {
        await admin.deleteTopics({ topics, timeout: create_ms })
      } catch (error) {
        // Another process deleted one of them: what counts is that they are gone.
        if (typeOf(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
      }
    })
    await gone(topics)
  }

  /** A broker may still show a deleted topic, and take records for it, until it has heard of the deletion. */
  async function gone(topics: readonly string[]): Promise<void> {
    for (const deadline = Date.now() + settle_ms; Date.now() < deadline; await sleep(settlePoll_ms)) {
      const left = new Set(await listTopics())
      if (!topics.some((topic) => left.has(topic))) return
    }
  }

  const ends = (topic: string) => withFresh((admin) => onceSettled(() => endsOf(admin, topic)))

  const committed = (groupId: string, topic: string) =>
    withFresh(async (admin) => {
      const offsets = new Map<number, number>()
      for (const { partitions } of await admin.fetchOffsets({ groupId, topics: [topic] }))
        for (const { partition, offset } of partitions)
          if (Number(offset) >= 0) offsets.set(partition, Number(offset))
      return offsets
    })

  return {
    ensureTopics,
    deleteTopics,
    listTopics,
    ends,
    committed,
    close,
  }
}
