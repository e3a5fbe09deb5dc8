/**
 * After PostgreSQL was restored (docs/operate/backup.md): it knows less than clients have seen and than the bus has
 * told it. `restored` comes first, while nothing runs; `renumber` when what it made the groups read again is handled.
 */
import { type AnyTopic, fullName } from '../schemas/topics.js'
import { groupOf, type Operation } from './consumer-groups.js'
import type { RestoredDatabase } from './ports.js'
import { Refusal } from './refusal.js'
import { moment, plural, type Report, table } from './report.js'

/**
 * Who writes what cannot be lost, in the order in which they have to read again: messages need their users and groups,
 * reads and acks their messages. Logins are not among them: everyone logs in again. Nor are pushes: they would be shown
 * twice.
 */
const phases: readonly (readonly string[])[] = [
  ['users', 'org', 'contacts', 'files', 'groups'],
  ['message-store', 'group-fanout'],
  ['session-settings', 'read-marker', 'ack-tracker'],
]
/** Gets its events from message-store anew. */
const notRewound = 'group-fanout'
/** Files whose messages are not back yet must not be taken for unused. */
const noSweep = "FILE_SWEEP_CRON='0 0 0 29 2 *'"

/** What has to be handled before conversations may go on with new numbers. */
const numbering = ['groups', 'message-store']

interface Rewind {
  readonly group: string
  readonly topic: string
  readonly offsets: ReadonlyMap<number, number>
  /** That it will read again. */
  readonly records: number
}

/**
 * @throws Refusal where a process of ours is at work
 */
export async function restored(
  { from, dryRun }: { readonly from: number | undefined; readonly dryRun: boolean },
  operation: Operation,
  database: RestoredDatabase,
): Promise<Report> {
  await nobodyWorks(operation)
  const rewound = phases.flat().filter((name) => name !== notRewound)
  const rewinds =
    from === undefined ? [] : await Promise.all(rewound.map((name) => rewindOf(operation, name, from)))
  const json = {
    from: from ?? null,
    dry_run: dryRun,
    groups: rewinds.map(({ group, topic, records }) => ({ group, topic, records })),
  }
  const text = from === undefined ? [] : linesOf(rewinds, from)
  if (dryRun) return { json, text: [...text, 'Nothing was done (--dry-run).'] }
  await database.advance()
  for (const { group, topic, offsets } of rewinds)
    if (offsets.size > 0) await operation.bus.moveGroup(group, topic, offsets)
  return {
    json,
    text: [
      ...text,
      'Cursors, versions and ids of groups are above all that clients have seen; nothing waits for a webhook.',
      'Now run these, one after the other, each until npm run ops -- topics shows no lag of its groups:',
      ...phases.map((names) => `  ${noSweep} node dist/main.js --roles ${names.join(',')}`),
      'then npm run ops -- skip delivery, then npm run ops -- renumber, then everything as ever.',
    ],
  }
}

/**
 * @throws Refusal where messages or changes of groups are not handled yet, or a process of ours is at work
 */
export async function renumber(operation: Operation, database: RestoredDatabase): Promise<Report> {
  await nobodyWorks(operation)
  for (const name of numbering) {
    const behind = await lagOf(operation, name)
    if (behind > 0)
      throw new Refusal(
        `${name} has ${plural(behind, 'record')} to handle: run it until it has none, then renumber`,
      )
  }
  const conversations = await database.renumber()
  return {
    json: { conversations },
    text: [`${plural(conversations, 'conversation')} will go on with numbers that nobody has seen.`],
  }
}

async function nobodyWorks({ bus, prefix, groups }: Operation): Promise<void> {
  const states = await bus.states(groups.map(({ name }) => prefix + name))
  const working = [...states].filter(([, { members }]) => members > 0).map(([group]) => group)
  if (working.length > 0)
    throw new Refusal(
      `Stop every process of CoffeeChat first (one that was killed is gone after half a minute): somebody works in ${working.join(', ')}`,
    )
}

async function committedOf(operation: Operation, name: string) {
  const { bus, prefix } = operation
  const given: { topic: AnyTopic } = groupOf(operation, name)
  const [group, topic] = [prefix + name, fullName(prefix, given.topic)]
  const [ends, committed] = await Promise.all([bus.ends(topic), bus.committed(group, topic)])
  return { group, topic, ends, committed }
}

async function lagOf(operation: Operation, name: string): Promise<number> {
  const { ends, committed } = await committedOf(operation, name)
  return ends.reduce(
    (sum, { partition, low, high }) => sum + high - Math.max(committed.get(partition) ?? low, low),
    0,
  )
}

/** Where a group begins again: at the first record since then, or where it is, whichever comes first. */
async function rewindOf(operation: Operation, name: string, from: number): Promise<Rewind> {
  const { group, topic, ends, committed } = await committedOf(operation, name)
  const since = ends.length === 0 ? new Map<number, number>() : await operation.bus.offsetsAt(topic, from)
  const moved = ends.flatMap(({ partition, low, high }) => {
    const to = Math.max(committed.get(partition) ?? low, low)
    const start = Math.max(since.get(partition) ?? high, low)
    return start < to ? [{ partition, start, records: high - start }] : []
  })
  return {
    group,
    topic,
    offsets: new Map(moved.map(({ partition, start }) => [partition, start])),
    records: moved.reduce((sum, { records }) => sum + records, 0),
  }
}

const linesOf = (rewinds: readonly Rewind[], from: number): string[] => [
  `What happened since ${moment(from)} is read again by`,
  ...table(
    ['GROUP', 'TOPIC', 'RECORDS'],
    rewinds.map(({ group, topic, records }) => [group, topic, records]),
  ),
]
