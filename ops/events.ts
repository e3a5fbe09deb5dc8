/** Events as an operator may see them: who, where and when, without what was said. */
import type { IncomingRecord } from '../schemas/bus.js'
import { type AnyTopic, eventsIn, fullName, topics } from '../schemas/topics.js'

const catalogue: readonly AnyTopic[] = Object.values(topics)

const escaped = (text: string) => text.replace(/[.]/g, '\\.')

/** The topic of the catalogue that has this full name. */
export const topicOf = (prefix: string, name: string): AnyTopic | undefined =>
  catalogue.find((each) =>
    new RegExp(`^${escaped(fullName(prefix, each, '{}')).replace('{}', '.+')}$`).test(name),
  )

/** Fields that hold what people wrote, or may. */
const bodies = new Set([
  'msg_data',
  'data',
  'attach',
  'arguments',
  'payload',
  'text',
  'title',
  'body',
  'json',
  'content',
  'preview',
  'extend_data',
  'nick_name',
  'from_nick_name',
  'remark',
  'greeting',
])
/** Never shown, whatever is asked for. */
const secrets = new Set(['user_token', 'token', 'secret'])

function shown(name: string, value: unknown, withBodies: boolean): unknown {
  if (secrets.has(name)) return '(secret)'
  if (value instanceof Uint8Array)
    return withBodies ? Buffer.from(value).toString('base64') : `(${value.length} bytes)`
  if (bodies.has(name) && !withBodies)
    return typeof value === 'string' ? `(${value.length} characters)` : '(not shown)'
  if (Array.isArray(value)) return value.map((each) => shown(name, each, withBodies))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([field, inside]) => [field, shown(field, inside, withBodies)]),
  )
}

/** The events in a record of this topic; an error's text where its bytes are none. */
export function eventsShown(
  topic: AnyTopic | undefined,
  { value, headers }: Pick<IncomingRecord, 'value' | 'headers'>,
  withBodies: boolean,
): unknown[] | string {
  if (topic === undefined) return 'the topic is not in the catalogue of this release'
  try {
    return eventsIn(topic, value).map((bytes) => shown('', topic.decode(bytes, headers), withBodies))
  } catch (error) {
    return `not a ${topic.payload}: ${(error as Error).message}`
  }
}
