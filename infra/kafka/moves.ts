/**
 * Leaders of partitions and coordinators of groups move when a broker dies or is restarted. kafkajs 2.2.4 then crashes
 * the consumer after some seconds of retries, or rebalances its group for each partition that moved, and a member that
 * comes back so waits until its own former membership has run out: 10 to 20 s without a record. Importing this file
 * makes consumers do what Kafka's own client does: ask who it is now, and go on as the same member.
 */
import { createRequire } from 'node:module'
import { sleep } from './patience.js'

interface Group {
  readonly groupId: string
  /** ms: a member that was not heard of for so long is none any more. */
  readonly sessionTimeout: number
  /** ms: when the coordinator answered last. */
  readonly lastRequest: number
  coordinator: unknown
  readonly offsetManager: { coordinator: unknown } | null
  readonly cluster: {
    refreshMetadata(): Promise<void>
    findGroupCoordinator(of: { groupId: string }): Promise<unknown>
  }
  heartbeat(options: { interval: number }): Promise<void>
  recoverFromFetch(error: unknown): Promise<void>
}

/** Between two looks for who leads a partition, ms: a new leader is there after some seconds. */
const look_ms = 200

const unreachable = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSBrokerNotFound',
  'KafkaJSRequestTimeoutError',
  'KafkaJSNumberOfRetriesExceeded',
  'KafkaJSGroupCoordinatorNotFound',
])
const movedLeader = new Set([
  'NOT_LEADER_FOR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
])
const movedCoordinator = new Set(['NOT_COORDINATOR_FOR_GROUP', 'GROUP_COORDINATOR_NOT_AVAILABLE'])

const isOf = (error: unknown, types: ReadonlySet<string>): boolean => {
  const { name, type } = error as { name?: string; type?: string }
  return unreachable.has(name ?? '') || types.has(type ?? '')
}

const { prototype } = createRequire(import.meta.url)('kafkajs/src/consumer/consumerGroup.js') as {
  prototype: Group
}
const { heartbeat, recoverFromFetch } = prototype

prototype.recoverFromFetch = async function (error) {
  if (!isOf(error, movedLeader)) return recoverFromFetch.call(this, error)
  await sleep(look_ms)
  // Whoever cannot be asked now is asked after the next fetch; the heartbeats tell whether we still belong to the group.
  await this.cluster.refreshMetadata().catch(() => undefined)
}

/** Asks for the coordinator anew; the group that it has read from its log still knows us. */
async function followCoordinator(group: Group): Promise<void> {
  const coordinator = await group.cluster.findGroupCoordinator({ groupId: group.groupId })
  group.coordinator = coordinator
  if (group.offsetManager) group.offsetManager.coordinator = coordinator
}

prototype.heartbeat = async function (options) {
  try {
    await heartbeat.call(this, options)
  } catch (error) {
    // Nobody else can be given our partitions before the session is over.
    if (!isOf(error, movedCoordinator) || Date.now() - this.lastRequest > this.sessionTimeout) throw error
    await followCoordinator(this).catch(() => undefined)
  }
}
