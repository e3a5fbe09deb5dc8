/** `topics`: how far behind each consumer group is, and how old what it has not handled. */
import { type AnyTopic, fullName, topics } from '../schemas/topics.js'
import type { Operation } from './consumer-groups.js'
import { deadLetterTopics, waiting } from './dead-letters.js'
import type { GroupState } from './ports.js'
import { duration, type Report, table } from './report.js'

/** One consumer group on one topic. */
export interface Row {
  readonly topic: string
  readonly group: string
  readonly members: number
  /** Records that are not handled yet. */
  readonly lag: number
  /** ms since the oldest of them was appended; absent where there is none. */
  readonly age_ms?: number
  /** ms; younger records wait on purpose. */
  readonly delay_ms?: number
  /** Absent for the groups of others. */
  readonly dead_letters?: number
}

/** A group and a topic that it reads, both by their full names. */
interface Reading {
  readonly topic: string
  readonly group: string
  readonly delay_ms?: number | undefined
  readonly deadLetters?: string
  /** A group without an offset begins at the end. */
  readonly fromEnd?: true
}

/** One row per group and topic: of our workers, of the gates, and of businesses that read what is for them. */
export async function topicLag(operation: Operation): Promise<Report> {
  const rows = await lagOf(operation)
  const topicNames = await operation.bus.topicNames()
  return { json: rows, text: [...linesOf(rows, operation.prefix), ...missing(operation, topicNames)] }
}

/** The rows of `topics`; topics that are not there have none. */
export async function lagOf(operation: Operation): Promise<readonly Row[]> {
  const { bus, prefix } = operation
  const [groupNames, topicNames] = await Promise.all([bus.groupNames(), bus.topicNames()])
  const dead = deadLetterTopics(operation)
  const ours = operation.groups.map(
    ({ name, topic, delay_ms }, at): Reading => ({
      topic: fullName(prefix, topic),
      group: prefix + name,
      delay_ms,
      deadLetters: dead[at]!,
    }),
  )
  const known = new Set(ours.map(({ group }) => group))
  const others = groupNames.filter((name) => !known.has(name))
  const readings = [
    ...ours,
    ...ofGates(prefix, topicNames, others),
    ...(await ofBusinesses(operation, topicNames, others)),
  ].filter(({ topic }) => topicNames.includes(topic))
  const states = await bus.states(readings.map(({ group }) => group))
  return Promise.all(readings.map((each) => rowOf(operation, each, states)))
}

/** Each start of a gate reads in a group of its own: only those that are there count. */
function ofGates(prefix: string, topicNames: readonly string[], groups: readonly string[]): Reading[] {
  return topicNames.flatMap((topic) => {
    const [, gate] = /^gate\.(.+)\.outbound$/.exec(topic.slice(prefix.length)) ?? []
    if (gate === undefined || !topic.startsWith(prefix)) return []
    const start = `${prefix}gate.${gate}.`
    const newest = groups
      .filter((group) => group.startsWith(start) && /^\d+$/.test(group.slice(start.length)))
      .sort()
      .at(-1)
    return newest === undefined ? [] : [{ topic, group: newest, fromEnd: true as const }]
  })
}

async function ofBusinesses(
  { bus, prefix }: Operation,
  topicNames: readonly string[],
  groups: readonly string[],
): Promise<Reading[]> {
  const catalogue: readonly AnyTopic[] = Object.values(topics)
  const forThem = catalogue
    .filter(({ external }) => external === 'read')
    .map((each) => fullName(prefix, each))
    .filter((name) => topicNames.includes(name))
  const candidates = groups.filter((group) => !group.startsWith(prefix))
  const readings = candidates.flatMap((group) => forThem.map((topic) => ({ topic, group })))
  const isRead = await Promise.all(
    readings.map(async ({ topic, group }) => (await bus.committed(group, topic)).size > 0),
  )
  return readings.filter((_, at) => isRead[at])
}

async function rowOf(
  operation: Operation,
  { topic, group, delay_ms, deadLetters, fromEnd }: Reading,
  states: ReadonlyMap<string, GroupState>,
): Promise<Row> {
  const { bus } = operation
  const [ends, committed] = await Promise.all([bus.ends(topic), bus.committed(group, topic)])
  const unread = ends.map(({ partition, low, high }) => ({
    partition,
    from: Math.max(committed.get(partition) ?? (fromEnd ? high : low), low),
    to: high,
  }))
  const oldest = await Promise.all(
    unread
      .filter(({ from, to }) => from < to)
      .map(async ({ partition, from }) => {
        for await (const [first] of bus.read(topic, { partition, from, to: from + 1 }))
          return first?.timestamp
        return undefined
      }),
  )
  const times = oldest.filter((time) => time !== undefined)
  return {
    topic,
    group,
    members: states.get(group)?.members ?? 0,
    lag: unread.reduce((sum, { from, to }) => sum + Math.max(0, to - from), 0),
    ...(times.length === 0 ? {} : { age_ms: Math.max(0, operation.now() - Math.min(...times)) }),
    ...(delay_ms === undefined ? {} : { delay_ms }),
    ...(deadLetters === undefined ? {} : { dead_letters: (await waiting(operation, deadLetters)).length }),
  }
}

const linesOf = (rows: readonly Row[], prefix: string): string[] =>
  table(
    ['TOPIC', 'GROUP', 'MEMBERS', 'LAG', 'AGE', 'DEAD LETTERS'],
    rows.map(({ topic, group, members, lag, age_ms, delay_ms, dead_letters }) => [
      topic.slice(prefix.length),
      group.startsWith(prefix) ? group.slice(prefix.length) : `${group} (not ours)`,
      members,
      lag,
      `${age_ms === undefined ? '-' : duration(age_ms)}${delay_ms === undefined ? '' : ` of ${duration(delay_ms)}`}`,
      dead_letters ?? '-',
    ]),
  )

function missing({ groups, prefix }: Operation, topicNames: readonly string[]): string[] {
  const absent = groups
    .map(({ topic }) => fullName(prefix, topic))
    .filter((name) => !topicNames.includes(name))
  if (absent.length === 0) return []
  return [
    '',
    `not there: ${absent.join(', ')} (node dist/main.js --setup makes topics; is TOPIC_PREFIX right?)`,
  ]
}
