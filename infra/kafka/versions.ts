/**
 * Asks a broker which versions of each request it takes. kafkajs looks only at the newest it may use, never at
 * the oldest that the broker still takes, and would then fail later and obscurely.
 */
import { createRequire } from 'node:module'
import type { Ask } from './first-words.js'

const apiVersionsKey = 18

/**
 * What a process at work asks of brokers, by its number in the protocol. Setup and the operator's commands ask for some
 * more (groups, settings, deletions): a broker without those is of use all the same.
 */
const used: Readonly<Record<number, string>> = {
  0: 'produce',
  1: 'fetch',
  2: 'listOffsets',
  3: 'metadata',
  8: 'offsetCommit',
  9: 'offsetFetch',
  10: 'findCoordinator',
  11: 'joinGroup',
  12: 'heartbeat',
  13: 'leaveGroup',
  14: 'syncGroup',
  15: 'describeGroups',
  17: 'saslHandshake',
  18: 'apiVersions',
  19: 'createTopics',
  20: 'deleteTopics',
  22: 'initProducerId',
}

/** First and last version of a request. */
export type VersionRange = readonly [first: number, last: number]

const requireModule = createRequire(import.meta.url)

/** What kafkajs speaks, by request number. */
function spoken(): Map<number, VersionRange> {
  const ranges = new Map<number, VersionRange>()
  for (const [key, folder] of Object.entries(used)) {
    const { versions } = requireModule(`kafkajs/src/protocol/requests/${folder}/index.js`) as {
      versions: string[]
    }
    const numbers = versions.map(Number)
    ranges.set(Number(key), [Math.min(...numbers), Math.max(...numbers)])
  }
  return ranges
}

/**
 * kafkajs falls back to what older brokers take, down to records without headers. Ours stay with what Kafka 2.3
 * brought: nobody has tried them on less.
 */
const least: Readonly<Record<number, number>> = { 0: 7, 1: 11 }

/** The requests for which a broker and we share no version that we use, described; empty when we can talk. */
export function incompatibleRequests(broker: ReadonlyMap<number, VersionRange>): string[] {
  const faults: string[] = []
  for (const [key, [ourFirst, ourLast]] of spoken()) {
    const range = broker.get(key)
    if (range === undefined) faults.push(`${used[key]}: not offered`)
    else if (ourLast < range[0] || Math.max(ourFirst, least[key] ?? 0) > range[1])
      faults.push(
        `${used[key]}: broker ${range[0]}–${range[1]}, client ${Math.max(ourFirst, least[key] ?? 0)}–${ourLast}`,
      )
  }
  return faults
}

/** The versions that one broker takes: any that speaks Kafka tells them, before any login. */
export async function askVersions(ask: Ask): Promise<Map<number, VersionRange>> {
  const answer = await ask(apiVersionsKey, 0)
  const error = answer.readInt16BE(0)
  if (error !== 0) throw new Error(`the broker answered ApiVersions with error ${error}`)
  const ranges = new Map<number, VersionRange>()
  const count = answer.readInt32BE(2)
  for (let index = 0, at = 6; index < count; index++, at += 6)
    ranges.set(answer.readInt16BE(at), [answer.readInt16BE(at + 2), answer.readInt16BE(at + 4)])
  return ranges
}
