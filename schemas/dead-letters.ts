/** What is written on a dead letter, and on the record that it becomes when it is sent again. */

/** Headers of a dead letter, beside those that the record had. */
export const deadLetterHeaders = {
  reason: 'dlq-reason',
  topic: 'dlq-topic',
  partition: 'dlq-partition',
  offset: 'dlq-offset',
  group: 'dlq-group',
  /** ms */
  time: 'dlq-time',
} as const

/**
 * Headers of a record in a dead-letter topic that is none itself: it says what became of others, whose offsets it
 * lists. So the topic knows by itself what is left to do, whoever looks.
 */
export const settledHeaders = { outcome: 'dlq-settled', offsets: 'dlq-settled-offsets' } as const

/** On a record that only one consumer group is to take: all others pass it by. */
const forGroupHeader = 'for-group'

type Headers = Readonly<Record<string, string>>

/** False: it was sent again for another group. */
export const isForGroup = (headers: Headers, group: string): boolean =>
  headers[forGroupHeader] === undefined || headers[forGroupHeader] === group

/** The headers of a dead letter that is sent again: what it had before, for the group that rejected it. */
export const resentHeaders = (headers: Headers): Headers => {
  const added: readonly string[] = Object.values(deadLetterHeaders)
  const before = Object.entries(headers).filter(([name]) => !added.includes(name))
  return { ...Object.fromEntries(before), [forGroupHeader]: headers[deadLetterHeaders.group] ?? '' }
}
