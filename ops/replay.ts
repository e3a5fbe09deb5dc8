/**
 * `replay GROUP --from TIME`: the group's offsets go back, so that it reads again what came since then. Nothing is
 * published anew: numbers, order and the offsets that name logins stay what they were, and no other group notices.
 */
import type { IncomingRecord } from '../schemas/bus.js'
import { type AnyTopic, eventsIn, fullName } from '../schemas/topics.js'
import { type ConsumerGroup, groupOf, type Operation } from './consumer-groups.js'
import type { Range } from './ports.js'
import { Refusal } from './refusal.js'
import { moment, plural, type Report } from './report.js'

/** What a group would do with events that it had before. */
export interface Forecast {
  /** What would go out: packets to devices, notifications, calls. */
  readonly deliver: number
  /** Events of which nothing would, since they are too old, acked or read. */
  readonly skipped: number
  /** Lines for a terminal. */
  readonly text: readonly string[]
}

/** Says what a group would do, without doing it. Only for groups that can be asked. */
export interface Forecaster {
  add(events: readonly unknown[], places: readonly { appended: number }[]): Promise<void>
  result(): Forecast
}

export type Forecasters = Readonly<Record<string, (() => Forecaster) | undefined>>

export interface ReplayRequest {
  readonly group: string
  /** ms */
  readonly from: number
  readonly dryRun: boolean
}

/**
 * Counts first, then moves the offsets, unless it is a dry run.
 * @param say told what is about to happen, before it does
 * @throws Refusal where there is no such group
 */
export async function replay(
  request: ReplayRequest,
  operation: Operation,
  forecasters: Forecasters,
  say: (lines: readonly string[]) => void,
): Promise<Report> {
  const group = groupOf(operation, request.group)
  const topic = fullName(operation.prefix, group.topic)
  const groupId = operation.prefix + group.name
  const ranges = await handledSince(operation, topic, groupId, request.from)
  const count = await countIn(operation, group, topic, ranges, forecasters[group.name]?.())
  const json = {
    group: groupId,
    topic,
    from: request.from,
    dry_run: request.dryRun,
    records: count.records,
    events: count.events,
    ...(count.forecast === undefined
      ? {}
      : { would_deliver: count.forecast.deliver, would_skip: count.forecast.skipped }),
  }
  const announced = [
    `${groupId} has handled ${plural(count.events, 'event')} of ${topic} since ${moment(request.from)}`,
    ...(count.forecast?.text ?? [
      'It would handle them again: what is stored does not change, what was answered goes nowhere.',
    ]),
  ]
  if (request.dryRun) return { json, text: [...announced, 'Nothing was done (--dry-run).'] }
  if (count.records === 0) return { json, text: [...announced, 'There is nothing to replay.'] }
  say(announced)
  const offsets = new Map(ranges.map(({ partition, from }) => [partition, from]))
  await operation.bus.moveGroup(groupId, topic, offsets)
  return {
    json,
    text: [`${groupId} reads again from ${moment(request.from)}; npm run ops -- topics shows how far it is.`],
  }
}

/** Of each partition what the group has handled since then. What it has not handled it will read anyway. */
async function handledSince(
  { bus }: Operation,
  topic: string,
  group: string,
  from: number,
): Promise<Range[]> {
  const ends = await bus.ends(topic)
  if (ends.length === 0) throw new Refusal(`There is no topic ${topic}: is TOPIC_PREFIX right?`)
  const [since, committed] = await Promise.all([bus.offsetsAt(topic, from), bus.committed(group, topic)])
  return ends
    .map(({ partition, low, high }) => ({
      partition,
      from: Math.max(since.get(partition) ?? high, low),
      to: committed.get(partition) ?? low,
    }))
    .filter((range) => range.from < range.to)
}

async function countIn(
  { bus }: Operation,
  { topic }: ConsumerGroup,
  name: string,
  ranges: readonly Range[],
  forecaster: Forecaster | undefined,
) {
  let records = 0
  let events = 0
  for (const range of ranges)
    for await (const batch of bus.read(name, range)) {
      records += batch.length
      const decoded = batch.flatMap(({ value, headers, timestamp }) =>
        decodedEvents(topic, value, headers).map((event) => ({ event, appended: timestamp })),
      )
      events += decoded.length
      await forecaster?.add(
        decoded.map(({ event }) => event),
        decoded,
      )
    }
  return { records, events, forecast: forecaster?.result() }
}

/** None where they cannot be read: those become dead letters again. */
function decodedEvents(topic: AnyTopic, value: Buffer, headers: IncomingRecord['headers']): unknown[] {
  try {
    return eventsIn(topic, value).map((bytes) => topic.decode(bytes, headers))
  } catch {
    return []
  }
}
