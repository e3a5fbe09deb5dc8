/** What an operator sees and does of the bus, without being a member of any group. */
import type { Admin } from 'kafkajs'
import type { BusInspection, LogFolder, Range, TopicLayout } from '../../ops/ports.js'
import { BusUnavailable, type IncomingRecord } from '../../schemas/bus.js'
import { seekAdmission } from './admission.js'
import { type BusSettings, createClient } from './client.js'
import { type Cluster, clusterOf } from './cluster.js'
import { toRecord } from './incoming.js'
import { askLogFolders } from './log-folders.js'
import { sleep } from './patience.js'
import { createSockets } from './socket.js'

const request_ms = 10_000
const fetchWait_ms = 500
const fetchBytes = 4 * 1024 * 1024
/** A range that ends below the end of its partition is read without waiting; so often may a broker say nothing. */
const emptyFetches = 10
/** Members come back within a second: the offsets have to be set before. */
const moves = 20
const movePause_ms = 50
/** kafkajs' numbers of the types of resources whose settings are described. */
const topicResource = 2

/**
 * Connects to the brokers.
 * @throws BusUnavailable where none answers
 * @throws BusRefused where they cannot be used as they are, or as we are set up
 */
export async function createInspection(settings: BusSettings): Promise<BusInspection> {
  // kafkajs would try for long before it said so.
  await seekAdmission(settings, request_ms)
  const sockets = createSockets({ connect: settings.connect })
  const kafka = createClient(settings, sockets, request_ms)
  const admin = kafka.admin()
  const cluster = clusterOf(kafka)
  try {
    await admin.connect()
    await cluster.connect()
  } catch (error) {
    sockets.destroy()
    throw new BusUnavailable(`no broker can be reached: ${(error as Error).message}`, { cause: error })
  }
  return {
    ...askAbout(admin),
    logFolders: () => logFoldersOf(admin, cluster),
    read: (topic, range) => readRange(cluster, topic, range),
    moveGroup: (group, topic, offsets) => moveGroup(cluster, group, topic, offsets),
    async close() {
      sockets.destroy()
    },
  }
}

const numbers = (rows: readonly { partition: number; offset: string }[]): Map<number, number> =>
  new Map(rows.map(({ partition, offset }) => [partition, Number(offset)]))

/** What kafkajs' own admin client answers. */
const askAbout = (admin: Admin): Omit<BusInspection, 'logFolders' | 'read' | 'moveGroup' | 'close'> => ({
  brokers: async () => (await admin.describeCluster()).brokers.map(({ host, port }) => `${host}:${port}`),
  topicNames: async () => (await admin.listTopics()).filter((name) => !name.startsWith('__')),
  groupNames: async () => (await admin.listGroups()).groups.map(({ groupId }) => groupId),
  async ends(topic) {
    // kafkajs would ask for a missing one again and again.
    if (!(await admin.listTopics()).includes(topic)) return []
    const partitions = await admin.fetchTopicOffsets(topic)
    return partitions.map(({ partition, low, high }) => ({ partition, low: Number(low), high: Number(high) }))
  },
  async committed(group, topic) {
    const [answer] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    return numbers((answer?.partitions ?? []).filter(({ offset }) => Number(offset) >= 0))
  },
  async states(groups) {
    if (groups.length === 0) return new Map()
    const { groups: described } = await admin.describeGroups([...groups])
    return new Map(
      described.map(({ groupId, state, members }) => [groupId, { state, members: members.length }]),
    )
  },
  offsetsAt: async (topic, time) => numbers(await admin.fetchTopicOffsetsByTimestamp(topic, time)),
  async deleteBelow(topic, offsets) {
    if (offsets.size === 0) return
    const partitions = [...offsets].map(([partition, offset]) => ({ partition, offset: String(offset) }))
    await admin.deleteTopicRecords({ topic, partitions })
  },
  layouts: (topics) => layoutsOf(admin, topics),
})

async function layoutsOf(admin: Admin, topics: readonly string[]): Promise<Map<string, TopicLayout>> {
  if (topics.length === 0) return new Map()
  const { topics: described } = await admin.fetchTopicMetadata({ topics: [...topics] })
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: topics.map((name) => ({ type: topicResource, name })),
  })
  const configs = new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      Object.fromEntries(configEntries.map(({ configName, configValue }) => [configName, configValue])),
    ]),
  )
  return new Map(
    described.map(({ name, partitions }) => [
      name,
      {
        partitions: partitions.length,
        replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
        outOfStep: partitions.filter(({ replicas, isr }) => isr.length < replicas.length).length,
        config: configs.get(name) ?? {},
      },
    ]),
  )
}

async function logFoldersOf(admin: Admin, cluster: Cluster): Promise<LogFolder[] | undefined> {
  const { brokers } = await admin.describeCluster()
  await cluster.refreshMetadata()
  const folders: LogFolder[] = []
  for (const { nodeId, host, port } of brokers) {
    const told = await askLogFolders(await cluster.findBroker({ nodeId: String(nodeId) }))
    if (told === undefined) return undefined
    folders.push(...told.map((each) => ({ broker: `${host}:${port}`, ...each })))
  }
  return folders
}

async function leaderOf(cluster: Cluster, topic: string, partition: number) {
  await cluster.addTargetTopic(topic)
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
  if (nodeId === undefined) throw new BusUnavailable(`partition ${partition} of ${topic} has no leader`)
  return cluster.findBroker({ nodeId })
}

async function* readRange(
  cluster: Cluster,
  topic: string,
  { partition, from, to }: Range,
): AsyncGenerator<readonly IncomingRecord[]> {
  if (from >= to) return
  const broker = await leaderOf(cluster, topic, partition)
  let next = from
  for (let empty = 0; next < to; ) {
    const { responses } = await broker.fetch({
      replicaId: -1,
      isolationLevel: 1,
      maxWaitTime: fetchWait_ms,
      minBytes: 1,
      maxBytes: fetchBytes,
      topics: [{ topic, partitions: [{ partition, fetchOffset: String(next), maxBytes: fetchBytes }] }],
    })
    // A broker answers with whole batches: their first records may lie below what was asked for.
    const messages = (responses[0]?.partitions[0]?.messages ?? []).filter(
      ({ offset }) => Number(offset) >= next,
    )
    const last = messages.at(-1)
    if (last === undefined) {
      if (++empty === emptyFetches)
        throw new BusUnavailable(`partition ${partition} of ${topic} cannot be read at ${next}`)
      continue
    }
    empty = 0
    next = Number(last.offset) + 1
    yield messages
      .filter(({ offset, isControlRecord }) => !isControlRecord && Number(offset) < to)
      .map((message) => toRecord(topic, partition, message))
  }
}

/** What a coordinator answers to a commit in nobody's name while the group has members. */
const isOccupied = (error: unknown): boolean =>
  ['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS'].includes(
    (error as { type?: string }).type ?? '',
  )

async function moveGroup(
  cluster: Cluster,
  group: string,
  topic: string,
  offsets: ReadonlyMap<number, number>,
): Promise<void> {
  const coordinator = await cluster.findGroupCoordinator({ groupId: group })
  const partitions = [...offsets].map(([partition, offset]) => ({ partition, offset: String(offset) }))
  for (let move = 1; ; move++) {
    const { groups } = await coordinator.describeGroups({ groupIds: [group] })
    for (const { memberId } of groups[0]?.members ?? [])
      await coordinator.leaveGroup({ groupId: group, memberId }).catch((error: unknown) => {
        if (!isOccupied(error)) throw error // it left by itself
      })
    try {
      const nobody = { groupGenerationId: -1, memberId: '' }
      await coordinator.offsetCommit({ groupId: group, ...nobody, topics: [{ topic, partitions }] })
      return
    } catch (error) {
      if (!isOccupied(error)) throw error
      if (move === moves)
        throw new Error(`group ${group} does not stay empty: stop the processes that run it and try again`, {
          cause: error,
        })
    }
    await sleep(movePause_ms)
  }
}
