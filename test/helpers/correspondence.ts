/** Users who write to each other while things break, and the verdict in the end. */
import assert from 'node:assert/strict'
import { CIM } from '../../proto/index.js'
import { type Pulled, violations } from './checker.js'
import { type Correspondent, createCorrespondent } from './correspondent.js'
import { connectDevice } from './device.js'
import { pullAll } from './pull.js'
import { readStored } from './stored-rows.js'
import type { System } from './system.js'
import { until } from './until.js'

const firstUserId = 700_001
const peersOfEach = 3
/** The promise is 10 s; the rest is for a machine that is busy with other tests. */
const answerWithin_ms = 11_000
/** A worker that lost its group in an outage is back in it by then; a client that hears SERVER_BUSY comes again. */
const comeAgainWithin_ms = 60_000

export interface Correspondence {
  readonly writers: readonly Correspondent[]
  /** Every writer begins to send this many, each to one of three others. */
  write(messagesOfEach: number): void
  /** Messages acked OK so far. */
  acked(): number
  waiting(): number
  /** Resolves when this many more are acked. */
  progress(count: number, within_ms: number): Promise<void>
  /** Resolves when all that was sent is acked, apart from what was abandoned. */
  resolved(within_ms: number): Promise<void>
  /** Resolves when every message that is stored has arrived at its reader's device, which never pulled it. */
  arrived(within_ms: number): Promise<void>
  /** Everyone pulls all there is on another device; fails with every promise that was broken so far. */
  judge(): Promise<void>
  stop(): Promise<void>
}

const { kCIM_ERR_SERVER_BUSY } = CIM.Def.CIMErrorCode

/** What one user sees, over a new connection beside the writer, which stays online; undefined where the gateway is busy. */
async function pullAs(port: number, user_id: number, token: string): Promise<Pulled[] | undefined> {
  const device = await connectDevice(port)
  try {
    const client_type = CIM.Def.CIMClientType.kCIM_CLIENT_TYPE_WEB
    const { result_code } = await device.login(user_id, token, { client_type })
    if (result_code === kCIM_ERR_SERVER_BUSY) return undefined
    assert.equal(result_code, 0)
    return await pullAll(device, user_id)
  } catch (error) {
    if ((error as { result_code?: number }).result_code !== kCIM_ERR_SERVER_BUSY) throw error
    return undefined
  } finally {
    device.cut()
  }
}

/** Pulls as every user in turn. */
async function pullAsEveryone(port: number, tokens: ReadonlyMap<number, string>): Promise<Pulled[]> {
  const pulled: Pulled[][] = []
  for (const [user_id, token] of tokens)
    pulled.push(await until(`what ${user_id} sees`, () => pullAs(port, user_id, token), comeAgainWithin_ms))
  return pulled.flat()
}

/** Messages that no device of their reader has received. */
async function notReceived(databaseUrl: string, writers: readonly Correspondent[]): Promise<string[]> {
  const { received } = await readStored(
    databaseUrl,
    writers.map(({ user_id }) => user_id),
  )
  const seen = new Map(
    writers.map(({ user_id, journals }) => {
      const entries = journals.flatMap((journal) => journal.entries)
      return [user_id, new Set(entries.flatMap(({ kind, msg_id }) => (kind === 'received' ? msg_id : [])))]
    }),
  )
  return received
    .filter(({ msg_to, client_msg_id }) => !seen.get(msg_to)?.has(client_msg_id))
    .map(({ msg_to, client_msg_id }) => `${client_msg_id} for ${msg_to}`)
}

/** @param random whole numbers below its argument: who writes to whom */
export async function openCorrespondence(
  system: System,
  count: number,
  random: (below: number) => number,
): Promise<Correspondence> {
  const ids = Array.from({ length: count }, (_, at) => firstUserId + at)
  const issued = await system.api.registerAll(ids)
  const tokens = new Map(ids.map((id, at) => [id, issued[at]!]))
  const ports = system.gateways.map(({ tcp }) => tcp)
  const writers = ids.map((user_id) => createCorrespondent({ user_id, token: tokens.get(user_id)!, ports }))

  const acked = () => writers.reduce((sum, writer) => sum + writer.acked(), 0)
  const waiting = () => writers.reduce((sum, writer) => sum + writer.waiting(), 0)
  const standing = () => {
    const offline = writers.filter((writer) => !writer.isOnline()).map(({ user_id }) => user_id)
    return `${acked()} acked, ${waiting()} waiting, offline: ${offline.join(', ') || 'nobody'}`
  }
  const stop = async () => void (await Promise.all(writers.map((writer) => writer.stop())))

  await until(standing, () => writers.every((writer) => writer.isOnline()), 30_000)
  return {
    writers,
    acked,
    waiting,
    write(messagesOfEach) {
      for (let turn = 0; turn < messagesOfEach; turn++)
        for (const [at, writer] of writers.entries()) {
          const peer = ids[(at + 1 + random(peersOfEach)) % count]!
          writer.send(peer, `${writer.user_id} → ${peer}: ${turn}, ${random(2 ** 31)}`)
        }
    },
    async progress(more, within_ms) {
      const goal = acked() + more
      await until(standing, () => acked() >= goal, within_ms)
    },
    resolved: async (within_ms) => void (await until(standing, () => waiting() === 0, within_ms)),
    async arrived(within_ms) {
      let missing: string[] = []
      const all = async () => {
        missing = await notReceived(system.databaseUrl, writers)
        return missing.length === 0
      }
      const what = () =>
        `${missing.length} messages have not arrived, such as ${missing.slice(0, 3).join(', ')}`
      await until(what, all, within_ms)
    },
    async judge() {
      const pulled = await pullAsEveryone(system.tcp, tokens)
      const stored = await readStored(system.databaseUrl, ids)
      const journals = writers.flatMap((writer) => writer.journals)
      assert.deepEqual(violations({ journals, stored, pulled, answerWithin_ms }).slice(0, 20), [])
      assert.deepEqual(
        writers.flatMap(({ refusals }) => refusals),
        [],
      )
    },
    stop,
  }
}
