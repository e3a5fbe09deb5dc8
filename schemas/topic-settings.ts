/** Settings of the topics that businesses read (docs/topics.md). Part of config.ts. */
import { z } from 'zod'
import { list, setting } from './setting.js'
import { type AnyTopic, type RecordStyle, topics } from './topics.js'

const inEitherForm = Object.values<AnyTopic>(topics)
  .filter(({ encodeProtobuf }) => encodeProtobuf !== undefined)
  .map(({ name }) => name)

/** Names of the catalogue, without prefix; * stands for all of them. */
const names = list.transform((given, context): ReadonlySet<string> => {
  if (!given.every((name) => name === '*' || inEitherForm.includes(name)))
    context.addIssue({ code: 'custom', message: `each is one of ${inEitherForm.join(', ')}, or *` })
  return new Set(given.includes('*') ? inEitherForm : given)
})

export const topicSettings = {
  TOPICS_IN_PROTOBUF: setting(
    names,
    '',
    'topics for businesses whose records are protobuf (business.proto) instead of JSON: message.stored,push.result, or *',
  ),
  RECEIPTS_DELIVERED: setting(
    z.enum(['off', 'single', 'all']),
    'single',
    'whose first deliveries receipt.changed tells, beside reads: of single chats, of groups too (one for each member), or none',
  ),
} as const

type Settings = typeof topicSettings
type TopicConfig = { readonly [K in keyof Settings]: z.output<Settings[K]['schema']> }

/** How this system writes to its topics. */
export const recordStyle = ({
  TOPIC_PREFIX,
  TOPICS_IN_PROTOBUF,
}: TopicConfig & { readonly TOPIC_PREFIX: string }): RecordStyle => ({
  prefix: TOPIC_PREFIX,
  inProtobuf: TOPICS_IN_PROTOBUF,
})
