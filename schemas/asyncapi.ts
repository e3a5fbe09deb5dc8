/** The AsyncAPI 3 document of the topics that businesses read and write, made from the catalogue (spec 3). */
import { z } from 'zod'
import type { AnyTopic, Contract } from './topic.js'
import { fullName, topics } from './topics.js'

/** A JSON schema, as far as we look into it. */
export interface JsonSchema {
  readonly type?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly [keyword: string]: unknown
}

type External = AnyTopic & { readonly contract: Contract; readonly external: 'read' | 'written' }

const isExternal = (topic: AnyTopic): topic is External =>
  topic.contract !== undefined && topic.external !== undefined

/** The topics that businesses read or write. */
export const externalTopics: readonly External[] = Object.values<AnyTopic>(topics).filter(isExternal)

/** The JSON schema of a payload: of what is written to us as it may be, of what we write as it is. */
export function payloadSchema({ contract, external }: External): JsonSchema {
  const io = external === 'written' ? 'input' : 'output'
  const { $schema: _, ...schema } = z.toJSONSchema(contract.schema, { target: 'draft-7', io }) as JsonSchema
  // Fields may be added at any time: whoever reads skips what it does not know.
  return withoutClosing(schema)
}

/** zod says of what it writes that there is nothing else; a reader must not rely on that. */
const withoutClosing = (schema: JsonSchema): JsonSchema =>
  JSON.parse(
    JSON.stringify(schema, (key, value) =>
      key === 'additionalProperties' && value === false ? undefined : value,
    ),
  )

const nameOf = ({ payload }: AnyTopic): string => payload.replace(/Json$/, '')

const description =
  `JSON in UTF-8; ids are decimal strings, times are milliseconds, bytes are base64. A record with the header
content-type: application/x-protobuf on push.requested is a PushRequested of proto/business.proto instead. Delivery is
at least once, and in order per key; fields may be added at any time.`.replaceAll('\n', ' ')

const channel = (topic: External, prefix: string, busyPartitions: number) => ({
  address: fullName(prefix, topic),
  title: topic.name,
  description: topic.purpose,
  messages: { [nameOf(topic)]: { $ref: `#/components/messages/${nameOf(topic)}` } },
  bindings: {
    kafka: {
      topic: fullName(prefix, topic),
      partitions: topic.partitions === 'busy' ? busyPartitions : topic.partitions,
      topicConfiguration: { 'cleanup.policy': ['delete'], 'retention.ms': topic.retention_ms },
      bindingVersion: '0.5.0',
    },
  },
})

/** Seen from CoffeeChat: what businesses write it receives. */
const operation = (topic: External) => ({
  action: topic.external === 'written' ? 'receive' : 'send',
  channel: { $ref: `#/channels/${topic.name}` },
  summary: topic.purpose,
  messages: [{ $ref: `#/channels/${topic.name}/messages/${nameOf(topic)}` }],
})

const message = (topic: External) => ({
  name: nameOf(topic),
  title: topic.name,
  contentType: 'application/json',
  payload: payloadSchema(topic),
  examples: [{ name: nameOf(topic), payload: topic.contract.example }],
  bindings: {
    kafka: { key: { type: 'string', description: topic.contract.key }, bindingVersion: '0.5.0' },
  },
})

const keyed = <T>(of: (topic: External) => [string, T]): Record<string, T> =>
  Object.fromEntries(externalTopics.map(of))

/**
 * The whole document.
 * @param busyPartitions partitions of the topics that carry every message
 */
export const asyncApi = (prefix: string, busyPartitions: number) => ({
  asyncapi: '3.0.0',
  info: {
    title: 'CoffeeChat topics',
    version: '1',
    description,
    license: { name: 'Apache-2.0' },
    tags: [{ name: 'kafka' }],
  },
  defaultContentType: 'application/json',
  servers: {
    kafka: {
      host: '{brokers}',
      protocol: 'kafka',
      variables: { brokers: { default: 'localhost:9092', description: 'KAFKA_BROKERS' } },
    },
  },
  channels: keyed((topic) => [topic.name, channel(topic, prefix, busyPartitions)]),
  operations: keyed((topic) => [
    `${topic.external === 'written' ? 'receive' : 'send'}-${topic.name.replaceAll('.', '-')}`,
    operation(topic),
  ]),
  components: { messages: keyed((topic) => [nameOf(topic), message(topic)]) },
})

export type AsyncApi = ReturnType<typeof asyncApi>
