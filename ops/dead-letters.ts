/**
 * Dead-letter topics. What became of a dead letter is written into its topic, as a record that names its offset: so
 * nothing else has to be kept, and a command that dies in between is simply given again. What is settled at the
 * beginning of a topic is deleted.
 */
import type { IncomingRecord, OutgoingRecord, Producer } from '../schemas/bus.js'
import { deadLetterHeaders as names, resentHeaders, settledHeaders } from '../schemas/dead-letters.js'
import { deadLetterName, fullName } from '../schemas/topics.js'
import type { Chosen } from './command-line.js'
import type { Operation } from './consumer-groups.js'
import type { PartitionEnds } from './ports.js'
import { Refusal } from './refusal.js'

/** A dead letter that is neither sent again nor dropped. */
export interface DeadLetter {
  readonly offset: number
  /** ms, when it was rejected. */
  readonly time: number
  readonly reason: string
  /** Where it was. */
  readonly topic: string
  readonly partition: number
  readonly original_offset: number
  readonly group: string
  readonly key: string | null
  readonly bytes: number
}

/** Every dead-letter topic has one partition. */
const partition = 0

/** Names of the dead-letter topics of our groups, whole. */
export const deadLetterTopics = ({ groups, prefix }: Operation): string[] =>
  groups.map(({ name, topic }) => deadLetterName(fullName(prefix, topic), name))

/**
 * The dead-letter topic that is meant.
 * @param given whole or not, or the topic that its group reads
 * @throws Refusal where none or several are
 */
export function deadLetterTopicOf(operation: Operation, given: string): string {
  const { prefix } = operation
  const known = deadLetterTopics(operation)
  const short = given.startsWith(prefix) ? given : prefix + given
  const exact = known.find((name) => name === short || name === `${short}.dlq`)
  if (exact !== undefined) return exact
  const ofTopic = known.filter((name) => name.startsWith(`${short}.`))
  if (ofTopic.length === 1) return ofTopic[0]!
  const choice = ofTopic.length === 0 ? known : ofTopic
  throw new Refusal(
    `${given} ${ofTopic.length === 0 ? 'is no dead-letter topic' : 'has several dead-letter topics'}. There are:\n` +
      choice.map((name) => `  ${name.slice(prefix.length)}`).join('\n'),
  )
}

function toDeadLetter({ offset, key, value, headers, timestamp }: IncomingRecord): DeadLetter {
  return {
    offset,
    time: Number(headers[names.time] ?? timestamp),
    reason: headers[names.reason] ?? '',
    topic: headers[names.topic] ?? '',
    partition: Number(headers[names.partition] ?? 0),
    original_offset: Number(headers[names.offset] ?? 0),
    group: headers[names.group] ?? '',
    key,
    bytes: value.length,
  }
}

async function endsOf({ bus }: Operation, topic: string): Promise<PartitionEnds> {
  const [ends] = await bus.ends(topic)
  return ends ?? { partition, low: 0, high: 0 }
}

/** The dead letters of a topic that are left to do, oldest first. */
export async function waiting(operation: Operation, topic: string): Promise<readonly DeadLetter[]> {
  const { low, high } = await endsOf(operation, topic)
  const left = new Map<number, DeadLetter>()
  for await (const records of operation.bus.read(topic, { partition, from: low, to: high }))
    for (const record of records) {
      const settled = record.headers[settledHeaders.offsets]
      if (settled === undefined) left.set(record.offset, toDeadLetter(record))
      else for (const offset of settled.split(',')) left.delete(Number(offset))
    }
  return [...left.values()]
}

/**
 * Those of the dead letters that are left to do that were chosen.
 * @throws Refusal where one that was named is not among them
 */
export async function choose(
  operation: Operation,
  topic: string,
  chosen: Chosen,
): Promise<readonly DeadLetter[]> {
  const left = await waiting(operation, topic)
  if (chosen === 'all') return left
  const missing = chosen.filter((offset) => !left.some((each) => each.offset === offset))
  if (missing.length > 0)
    throw new Refusal(
      `${topic} has no dead letter ${missing.join(', ')} that is left to do. npm run ops -- dlq list ${topic.slice(operation.prefix.length)} prints those that are.`,
    )
  return left.filter(({ offset }) => chosen.includes(offset))
}

/** The records of these dead letters, with their bytes, in batches. */
export async function* recordsOf(
  { bus }: Operation,
  topic: string,
  letters: readonly DeadLetter[],
): AsyncGenerator<readonly IncomingRecord[]> {
  const [first, last] = [letters.at(0), letters.at(-1)]
  if (first === undefined || last === undefined) return
  const wanted = new Set(letters.map(({ offset }) => offset))
  for await (const records of bus.read(topic, { partition, from: first.offset, to: last.offset + 1 }))
    yield records.filter(({ offset }) => wanted.has(offset))
}

/** Where it was, as it was, for its group only. Without a key it goes to the partition that it came from. */
function resent({ key, value, headers }: IncomingRecord): OutgoingRecord {
  const record = { topic: headers[names.topic] ?? '', key, value, headers: resentHeaders(headers) }
  return key === null ? { ...record, partition: Number(headers[names.partition] ?? 0) } : record
}

const settledRecord = (
  topic: string,
  outcome: 'resent' | 'dropped',
  offsets: readonly number[],
): OutgoingRecord => ({
  topic,
  key: null,
  partition,
  value: Buffer.alloc(0),
  headers: { [settledHeaders.outcome]: outcome, [settledHeaders.offsets]: offsets.join(',') },
})

/**
 * Sends these again. They are noted as settled only after the bus has them: a command that dies in between sends
 * some a second time when it is given again, and loses none.
 */
export async function resend(
  operation: Operation,
  producer: Producer,
  topic: string,
  letters: readonly DeadLetter[],
): Promise<void> {
  for await (const records of recordsOf(operation, topic, letters)) {
    if (records.length === 0) continue
    await producer.publish(records.map(resent))
    await producer.publish([
      settledRecord(
        topic,
        'resent',
        records.map(({ offset }) => offset),
      ),
    ])
  }
  await trim(operation, topic)
}

const settledAtOnce = 1_000

/** Gives these up. */
export async function drop(
  operation: Operation,
  producer: Producer,
  topic: string,
  letters: readonly DeadLetter[],
): Promise<void> {
  const offsets = letters.map(({ offset }) => offset)
  for (let at = 0; at < offsets.length; at += settledAtOnce)
    await producer.publish([settledRecord(topic, 'dropped', offsets.slice(at, at + settledAtOnce))])
  await trim(operation, topic)
}

/** Deletes everything before the first dead letter that is left to do. */
async function trim(operation: Operation, topic: string): Promise<void> {
  const { low, high } = await endsOf(operation, topic)
  const [first] = await waiting(operation, topic)
  // What came in since `high` was read is above it.
  const below = Math.min(first?.offset ?? high, high)
  if (below > low) await operation.bus.deleteBelow(topic, new Map([[partition, below]]))
}
