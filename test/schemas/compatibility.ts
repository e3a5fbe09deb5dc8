/** What a change of a payload would break for businesses, or for our own parts of another version. Pure. */
import protobuf from 'protobufjs'
import { externalTopics, type JsonSchema, payloadSchema } from '../../schemas/asyncapi.js'
import { protoFiles } from './proto-files.js'

/** As committed at a release. */
export interface Released {
  /** The payloads of the topics that businesses know, by topic. */
  readonly topics: Readonly<Record<string, { readonly written: boolean; readonly schema: JsonSchema }>>
  /** `number rule type` of each field, by message; number of each value, by enum. */
  readonly protobuf: Readonly<Record<string, Readonly<Record<string, string | number>>>>
}

/** What is in this checkout. */
export function current(): Released {
  const topics = Object.fromEntries(
    externalTopics.map((topic) => [
      topic.name,
      { written: topic.external === 'written', schema: payloadSchema(topic) },
    ]),
  )
  return { topics, protobuf: fieldsOf(new protobuf.Root().loadSync([...protoFiles()], { keepCase: true })) }
}

function fieldsOf(namespace: protobuf.NamespaceBase): Record<string, Record<string, string | number>> {
  const found: Record<string, Record<string, string | number>> = {}
  for (const item of namespace.nestedArray) {
    const name = item.fullName.slice(1)
    if (item instanceof protobuf.Enum) found[name] = { ...item.values }
    else if (item instanceof protobuf.Type)
      found[name] = Object.fromEntries(
        item.fieldsArray.map((field) => [field.name, `${field.id} ${ruleOf(field)} ${field.type}`]),
      )
    if (item instanceof protobuf.Namespace) Object.assign(found, fieldsOf(item))
  }
  return found
}

const ruleOf = ({ required, repeated }: protobuf.Field): string =>
  required ? 'required' : repeated ? 'repeated' : 'optional'

/** Why this checkout breaks who knows the released payloads; empty where it does not. */
export function breaks(released: Released, now: Released): string[] {
  const ofTopics = Object.entries(released.topics).flatMap(([topic, { written, schema }]) => {
    const present = now.topics[topic]
    if (present === undefined) return [`${topic}: is gone`]
    return schemaBreaks(topic, schema, present.schema, written)
  })
  return [...ofTopics, ...protobufBreaks(released.protobuf, now.protobuf)]
}

const limits = ['maxLength', 'maxItems', 'maximum', 'exclusiveMaximum'] as const
const floors = ['minLength', 'minItems', 'minimum', 'exclusiveMinimum'] as const

/** @param written businesses write it: what they wrote must stay valid. Otherwise what they read must stay as it is. */
function schemaBreaks(at: string, before: JsonSchema, after: JsonSchema, written: boolean): string[] {
  const found: string[] = []
  if (before.type !== after.type) found.push(`${at}: was ${before.type}, is ${after.type}`)
  if (JSON.stringify(before.const) !== JSON.stringify(after.const)) found.push(`${at}: another constant`)
  found.push(...enumBreaks(at, before.enum, after.enum, written))
  if (written) found.push(...tightened(at, before, after))
  for (const [name, schema] of Object.entries(before.properties ?? {})) {
    const present = after.properties?.[name]
    if (present === undefined) found.push(`${at}.${name}: is gone`)
    else found.push(...schemaBreaks(`${at}.${name}`, schema, present, written))
  }
  const [was, is] = [before.required ?? [], after.required ?? []]
  // A reader relies on what is always there; a writer must not be asked for more.
  const changed = written
    ? is.filter((name) => !was.includes(name))
    : was.filter((name) => !is.includes(name))
  found.push(...changed.map((name) => `${at}.${name}: ${written ? 'is needed now' : 'may be missing now'}`))
  if (before.items && after.items) found.push(...schemaBreaks(`${at}[]`, before.items, after.items, written))
  return found
}

/** A reader meets a value that it does not know; a writer's value is refused. */
function enumBreaks(
  at: string,
  was: readonly unknown[] | undefined,
  is: readonly unknown[] | undefined,
  written: boolean,
): string[] {
  if (was === undefined && is === undefined) return []
  if (was === undefined || is === undefined)
    return [`${at}: ${is ? 'is limited to some values' : 'may be anything'}`]
  const [more, than] = written ? [was, is] : [is, was]
  return more
    .filter((value) => !than.includes(value))
    .map((value) => `${at}: ${JSON.stringify(value)} is ${written ? 'no value any more' : 'a new value'}`)
}

function tightened(at: string, before: JsonSchema, after: JsonSchema): string[] {
  const number = (schema: JsonSchema, name: string, none: number) => Number(schema[name] ?? none)
  return [
    ...limits.filter(
      (name) =>
        number(after, name, Number.POSITIVE_INFINITY) < number(before, name, Number.POSITIVE_INFINITY),
    ),
    ...floors.filter(
      (name) =>
        number(after, name, Number.NEGATIVE_INFINITY) > number(before, name, Number.NEGATIVE_INFINITY),
    ),
    ...(after.pattern !== undefined && after.pattern !== before.pattern ? ['pattern'] : []),
  ].map((name) => `${at}: ${name} is stricter`)
}

function protobufBreaks(before: Released['protobuf'], after: Released['protobuf']): string[] {
  const found: string[] = []
  for (const [message, fields] of Object.entries(before)) {
    const present = after[message]
    if (present === undefined) {
      found.push(`${message}: is gone`)
      continue
    }
    for (const [name, field] of Object.entries(fields))
      if (present[name] !== field)
        found.push(`${message}.${name}: was ${field}, is ${present[name] ?? 'gone'}`)
    for (const [name, field] of Object.entries(present))
      if (!(name in fields) && String(field).includes(' required '))
        found.push(`${message}.${name}: is new and required`)
  }
  return found
}
