/**
 * Asks a broker which versions of each request it takes. kafkajs looks only at the newest it may use, never at
 * the oldest that the broker still takes, and would then fail later and obscurely.
 */
import { createRequire } from 'node:module'
import type net from 'node:net'
import type tls from 'node:tls'
import { BusUnavailable } from '../../schemas/bus.js'
import type { BusSettings } from './client.js'
import { createSockets } from './socket.js'

const apiVersionsKey = 18
const maxResponseBytes = 64 * 1024

/** Everything that the adapter asks of brokers, by its number in the protocol. */
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

/** The requests for which a broker and we share no version, described; empty when we can talk. */
export function incompatibleRequests(broker: ReadonlyMap<number, VersionRange>): string[] {
  const faults: string[] = []
  for (const [key, [ourFirst, ourLast]] of spoken()) {
    const range = broker.get(key)
    if (range === undefined) faults.push(`${used[key]}: not offered`)
    else if (ourLast < range[0] || ourFirst > range[1])
      faults.push(`${used[key]}: broker ${range[0]}–${range[1]}, client ${ourFirst}–${ourLast}`)
  }
  return faults
}

/** ApiVersions version 0: any broker that speaks Kafka answers it, before any login. */
function request(clientId: string): Buffer {
  const name = Buffer.from(clientId)
  const bytes = Buffer.alloc(14)
  bytes.writeInt32BE(10 + name.length, 0)
  bytes.writeInt16BE(apiVersionsKey, 4)
  bytes.writeInt16BE(0, 6)
  bytes.writeInt32BE(1, 8)
  bytes.writeInt16BE(name.length, 12)
  return Buffer.concat([bytes, name])
}

function parse(response: Buffer): Map<number, VersionRange> {
  const error = response.readInt16BE(8)
  if (error !== 0) throw new Error(`the broker answered ApiVersions with error ${error}`)
  const ranges = new Map<number, VersionRange>()
  const count = response.readInt32BE(10)
  for (let index = 0, at = 14; index < count; index++, at += 6)
    ranges.set(response.readInt16BE(at), [response.readInt16BE(at + 2), response.readInt16BE(at + 4)])
  return ranges
}

/** Reads one length-prefixed answer. */
function answer(socket: net.Socket, timeout_ms: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    const timer = setTimeout(() => reject(new Error(`no answer within ${timeout_ms} ms`)), timeout_ms)
    socket.once('close', () => clearTimeout(timer))
    socket.once('error', reject)
    socket.once('end', () => reject(new Error('the broker closed the connection')))
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 4) return
      const length = received.readInt32BE(0)
      if (length < 10 || length > maxResponseBytes) reject(new Error('that is not a Kafka broker'))
      else if (received.length >= length + 4) resolve(received)
    })
  })
}

/** The versions that one broker takes. */
async function askBroker(settings: BusSettings, broker: string, timeout_ms: number) {
  const colon = broker.lastIndexOf(':')
  const ssl = settings.tls === true ? {} : settings.tls || undefined
  const sockets = createSockets({ connect: settings.connect })
  const socket = sockets.open({
    host: broker.slice(0, colon),
    port: Number(broker.slice(colon + 1)),
    ssl: ssl as tls.ConnectionOptions,
    onConnect: () => socket.write(request(settings.clientId)),
  })
  try {
    return parse(await answer(socket, timeout_ms))
  } finally {
    sockets.destroy()
  }
}

/**
 * Asks the brokers one after the other until one answers.
 * @throws BusUnavailable when none does
 */
export async function brokerVersions(
  settings: BusSettings,
  timeout_ms: number,
): Promise<Map<number, VersionRange>> {
  const reasons: string[] = []
  for (const broker of settings.brokers) {
    try {
      return await askBroker(settings, broker, timeout_ms / settings.brokers.length)
    } catch (error) {
      reasons.push(`${broker}: ${(error as Error).message}`)
    }
  }
  throw new BusUnavailable(`no broker answers (${reasons.join('; ')})`)
}
