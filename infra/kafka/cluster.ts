/**
 * The part of kafkajs below its clients: brokers that can be asked directly. Its public API reads records only as a
 * member of a group, and sets offsets only of a group that nobody is in.
 */
import type { Kafka } from 'kafkajs'

/** A record as a fetch answers it. */
interface FetchedMessage {
  readonly offset: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer | string | undefined>>
  readonly timestamp: string
  readonly isControlRecord?: boolean
}

interface FetchAnswer {
  readonly responses: readonly {
    readonly partitions: readonly { readonly messages: readonly FetchedMessage[] }[]
  }[]
}

interface TopicOffsets {
  readonly topic: string
  readonly partitions: readonly { readonly partition: number; readonly offset: string }[]
}

/** One broker; each method is one request of Kafka's protocol. */
export interface Broker {
  /** By the request's number; null before it is connected. */
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>> | null
  readonly connectionPool: {
    send<T>(exchange: {
      request: { apiKey: number; apiVersion: number; apiName: string; encode(): Promise<{ buffer: Buffer }> }
      response: { decode(answer: Buffer): Promise<Buffer>; parse(answer: Buffer): Promise<T> }
    }): Promise<T>
  }
  fetch(request: {
    replicaId: -1
    isolationLevel: 1
    maxWaitTime: number
    minBytes: number
    maxBytes: number
    topics: readonly {
      topic: string
      partitions: readonly { partition: number; fetchOffset: string; maxBytes: number }[]
    }[]
  }): Promise<FetchAnswer>
  describeGroups(request: { groupIds: readonly string[] }): Promise<{
    readonly groups: readonly {
      readonly state: string
      readonly members: readonly { readonly memberId: string }[]
    }[]
  }>
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>
  offsetCommit(request: {
    groupId: string
    groupGenerationId: number
    memberId: string
    topics: readonly TopicOffsets[]
  }): Promise<unknown>
}

export interface Cluster {
  connect(): Promise<void>
  disconnect(): Promise<void>
  addTargetTopic(topic: string): Promise<void>
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>
  /** Of the target topics. */
  refreshMetadata(): Promise<void>
  /** The offsets at one end of these partitions, with one request to each broker. */
  fetchTopicsOffset(
    topics: readonly {
      topic: string
      partitions: readonly { partition: number }[]
      fromBeginning: boolean
    }[],
  ): Promise<readonly TopicOffsets[]>
  /** Broker id → its partitions. */
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>
  findBroker(of: { nodeId: string }): Promise<Broker>
  findGroupCoordinator(of: { groupId: string }): Promise<Broker>
}

type CreateCluster = (options: { metadataMaxAge: number; allowAutoTopicCreation: boolean }) => Cluster

const metadataMaxAge_ms = 300_000

/**
 * A cluster with the settings of this client.
 * @throws Error where kafkajs is not built as version 2.2.4 is
 */
export function clusterOf(kafka: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  )
  if (symbol === undefined) throw new Error('this kafkajs has no way to ask a broker directly')
  const create = (kafka as unknown as Record<symbol, CreateCluster>)[symbol]!
  return create({ metadataMaxAge: metadataMaxAge_ms, allowAutoTopicCreation: false })
}
