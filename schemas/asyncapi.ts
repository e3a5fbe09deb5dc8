/** The AsyncAPI 3 document of the topics that businesses read and write, made from the catalogue (spec 3). */
import { z } from 'zod'
import { businessProto } from '../proto/index.js'
import { protobufHeaders } from './business-codec.js'
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

/** Of the message in JSON, and of the one in business.proto. */
const nameOf = ({ payload }: AnyTopic): string => payload.replace(/Json$/, '')
const inProtobuf = (name: string): string => `${name}Protobuf`
const schemaFile = 'business.proto'

const description =
  `JSON in UTF-8; ids are decimal strings, times are milliseconds, bytes are base64. A record with the header
content-type: application/x-protobuf is a message of business.proto instead: you choose for what you write, and
TOPICS_IN_PROTOBUF for what you read. Delivery is at least once, and in order per key; fields may be added at any time.`.replaceAll(
    '\n',
    ' ',
  )

const messageNames = (topic: External): string[] => [nameOf(topic), inProtobuf(nameOf(topic))]

const channel = (topic: External, prefix: string, busyPartitions: number) => ({
  address: fullName(prefix, topic),
  title: topic.name,
  description: topic.purpose,
  messages: Object.fromEntries(
    messageNames(topic).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
  ),
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
  messages: messageNames(topic).map((name) => ({ $ref: `#/channels/${topic.name}/messages/${name}` })),
})

const bindings = ({ contract }: External) => ({
  kafka: { key: { type: 'string', description: contract.key }, bindingVersion: '0.5.0' },
})

const message = (topic: External) => ({
  name: nameOf(topic),
  title: topic.name,
  contentType: 'application/json',
  payload: payloadSchema(topic),
  examples: [{ name: nameOf(topic), payload: topic.contract.example }],
  bindings: bindings(topic),
})

/** The same in protobuf. */
const protobufMessage = (topic: External) => ({
  name: inProtobuf(nameOf(topic)),
  title: `${topic.name} in protobuf`,
  description: `coffeechat.business.${nameOf(topic)} of ${schemaFile}`,
  contentType: protobufHeaders['content-type'],
  headers: {
    type: 'object',
    required: Object.keys(protobufHeaders),
    properties: Object.fromEntries(
      Object.entries(protobufHeaders).map(([name, value]) => [name, { type: 'string', const: value }]),
    ),
  },
  payload: { $ref: `#/components/schemas/${schemaFile}` },
  bindings: bindings(topic),
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
  components: {
    messages: {
      ...keyed((topic) => [nameOf(topic), message(topic)]),
      ...keyed((topic) => [inProtobuf(nameOf(topic)), protobufMessage(topic)]),
    },
    schemas: {
      [schemaFile]: { schemaFormat: 'application/vnd.google.protobuf;version=2', schema: businessProto },
    },
  },
})

export type AsyncApi = ReturnType<typeof asyncApi>
