/** `dlq list|show|resend|drop`: dead letters as an operator meets them. */
import type { Producer } from '../schemas/bus.js'
import { deadLetterName, fullName } from '../schemas/topics.js'
import type { Command } from './command-line.js'
import type { ConsumerGroup, Operation } from './consumer-groups.js'
import {
  choose,
  type DeadLetter,
  deadLetterTopicOf,
  drop,
  recordsOf,
  resend,
  waiting,
} from './dead-letters.js'
import { eventsShown, topicOf } from './events.js'
import { duration, moment, plural, type Report, table } from './report.js'

type DlqCommand = Extract<Command, { name: `dlq ${string}` }>

/** @throws Refusal where the topic or a dead letter is not there */
export async function dlq(command: DlqCommand, operation: Operation, producer: Producer): Promise<Report> {
  if (command.name === 'dlq list' && command.topic === undefined) return listTopics(operation)
  const topic = deadLetterTopicOf(operation, command.topic ?? '')
  switch (command.name) {
    case 'dlq list':
      return listLetters(operation, topic)
    case 'dlq show':
      return show(operation, topic, await choose(operation, topic, command.chosen), command.bodies)
    case 'dlq resend': {
      const letters = await choose(operation, topic, command.chosen)
      await resend(operation, producer, topic, letters)
      const group = letters[0]?.group ?? ''
      return settled(topic, 'resent', letters, group === '' ? '' : ` to ${group}, and to no other group`)
    }
    case 'dlq drop': {
      const letters = await choose(operation, topic, command.chosen)
      await drop(operation, producer, topic, letters)
      return settled(topic, 'dropped', letters, '')
    }
  }
}

const settled = (
  topic: string,
  outcome: string,
  letters: readonly DeadLetter[],
  whereTo: string,
): Report => ({
  json: { topic, [outcome]: letters.length, offsets: letters.map(({ offset }) => String(offset)) },
  text: [`${outcome} ${plural(letters.length, 'dead letter')} of ${topic}${whereTo}`],
})

async function listTopics(operation: Operation): Promise<Report> {
  const rows = await Promise.all(operation.groups.map((group) => summary(operation, group)))
  const filled = rows.filter(({ count }) => count > 0)
  return {
    json: rows,
    text:
      filled.length === 0
        ? [`no dead letters in ${plural(rows.length, 'topic')}`]
        : table(
            ['TOPIC', 'DEAD LETTERS', 'OLDEST', 'NEWEST REASON'],
            filled.map(({ topic, count, oldest_age_ms, newest_reason }) => [
              topic.slice(operation.prefix.length),
              count,
              duration(oldest_age_ms ?? 0),
              newest_reason ?? '',
            ]),
          ),
  }
}

async function summary(operation: Operation, { name, topic }: ConsumerGroup) {
  const dead = deadLetterName(fullName(operation.prefix, topic), name)
  const letters = await waiting(operation, dead)
  const [oldest, newest] = [letters.at(0), letters.at(-1)]
  return {
    topic: dead,
    group: name,
    count: letters.length,
    oldest_age_ms: oldest && Math.max(0, operation.now() - oldest.time),
    newest_reason: newest?.reason,
  }
}

const jsonOf = (letter: DeadLetter) => ({
  ...letter,
  offset: String(letter.offset),
  original_offset: String(letter.original_offset),
})

async function listLetters(operation: Operation, topic: string): Promise<Report> {
  const letters = await waiting(operation, topic)
  return {
    json: { topic, dead_letters: letters.map(jsonOf) },
    text:
      letters.length === 0
        ? [`no dead letters in ${topic}`]
        : table(
            ['OFFSET', 'REJECTED', 'BYTES', 'KEY', 'FROM', 'REASON'],
            letters.map((each) => [
              each.offset,
              moment(each.time),
              each.bytes,
              each.key ?? '-',
              `${each.topic}/${each.partition}@${each.original_offset}`,
              each.reason,
            ]),
          ),
  }
}

async function show(
  operation: Operation,
  topic: string,
  letters: readonly DeadLetter[],
  withBodies: boolean,
): Promise<Report> {
  const shown = []
  for await (const records of recordsOf(operation, topic, letters))
    for (const { offset, value, headers } of records) {
      const letter = letters.find((each) => each.offset === offset)!
      const events = eventsShown(topicOf(operation.prefix, letter.topic), { value, headers }, withBodies)
      const hidden = withBodies ? {} : { hidden: 'what the messages say: --bodies shows it' }
      const bytes_base64 = withBodies ? { bytes_base64: value.toString('base64') } : {}
      shown.push({ ...jsonOf(letter), headers, events, ...bytes_base64, ...hidden })
    }
  return {
    json: { topic, dead_letters: shown },
    text: shown.length === 0 ? [`no dead letters in ${topic}`] : shown.flatMap(linesOf),
  }
}

function linesOf(
  each: ReturnType<typeof jsonOf> & { events: unknown; bytes_base64?: string; hidden?: string },
): string[] {
  const { events, hidden, bytes_base64 } = each
  const decoded = typeof events === 'string' ? [events] : JSON.stringify(events, null, 2).split('\n')
  return [
    `dead letter ${each.offset}`,
    `  reason    ${each.reason}`,
    `  rejected  ${moment(each.time)} by ${each.group}`,
    `  from      ${each.topic} partition ${each.partition} offset ${each.original_offset}, key ${each.key ?? 'none'}`,
    `  size      ${each.bytes} bytes`,
    ...(bytes_base64 === undefined ? [] : [`  base64    ${bytes_base64}`]),
    ...(hidden === undefined ? [] : [`  hidden    ${hidden}`]),
    ...decoded.map((line, at) => (at === 0 ? `  events    ${line}` : `            ${line}`)),
    '',
  ]
}
