/**
 * Partitions of delivery.acked whose acks wait in Redis, each claimed by one process, which so notices what Redis lost:
 * all, or, where a replica became the master, the latest writes.
 */
import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { script } from './client.js'
import type { RedisKeys } from './keys.js'

/** Where no tracker is left, its acks are read again from the bus by the next. */
const kept_ms = 24 * 3_600_000
const fieldsPerCommand = 1_000

/** The owner changes; what waits stays; how far the new owner is, it must say itself. */
const claim = script(
  'acksClaim',
  `
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'until', 0, 'written', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'claimed'
`,
)

/**
 * The owner numbers what it writes. A replica that became the master may lack the latest writes, never others: where the
 * number of the latest that was answered is there, all are. Where it is not, the claim ends, and the owner reads again.
 */
const add = script(
  'acksAdd',
  `
local held = redis.call('HMGET', KEYS[1], 'token', 'written')
if held[1] == ARGV[1] then
  if tonumber(held[2]) < tonumber(ARGV[2]) then redis.call('DEL', KEYS[1])
  else redis.call('HSET', KEYS[1], 'written', ARGV[3]) end
end
redis.call('HSET', KEYS[2], unpack(ARGV, 5))
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 'added'
`,
  2,
)

const progress = script(
  'acksProgress',
  `
local held = redis.call('HMGET', KEYS[1], 'token', 'written')
if held[1] ~= ARGV[1] or tonumber(held[2]) < tonumber(ARGV[2]) then return false end
redis.call('HSET', KEYS[1], 'until', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 'ours'
`,
)

/** What this process has written since its claim: the numbers of the latest write, and of the latest that was answered. */
interface Written {
  latest: number
  answered: number
}

/** As many as one command takes. */
export function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += fieldsPerCommand) yield items.slice(at, at + fieldsPerCommand)
}

/** The claims of this process. */
export function createAckClaims(redis: Redis, keys: RedisKeys) {
  const claimScript = claim(redis)
  const addScript = add(redis)
  const progressScript = progress(redis)
  const token = randomUUID()
  const claims = new Map<number, Written>()
  const answeredOf = (partition: number): number => claims.get(partition)?.answered ?? 0

  return {
    async claim(partitions: readonly number[]): Promise<void> {
      if (partitions.length === 0) return
      await Promise.all([
        redis.sadd(keys.acksPartitions, ...partitions),
        ...partitions.map((partition) => claimScript(keys.acksClaim(partition), token, kept_ms)),
      ])
      for (const partition of partitions) claims.set(partition, { latest: 0, answered: 0 })
    },

    /** @param fields of the partition's hash, with their values */
    async add(partition: number, fields: readonly (readonly [string, number])[]): Promise<void> {
      const written = claims.get(partition) ?? { latest: 0, answered: 0 }
      const [claimKey, acksKey] = [keys.acksClaim(partition), keys.acks(partition)]
      let before = written.answered
      await Promise.all(
        [...chunks(fields)].map((part) => {
          const number = ++written.latest
          const answer = addScript(claimKey, acksKey, token, before, number, kept_ms, ...part.flat())
          before = number
          return answer
        }),
      )
      written.answered = before
    },

    /** The whole hash; undefined where the claim, or something that was written under it, is gone. */
    async read(partition: number): Promise<Readonly<Record<string, string>> | undefined> {
      const answered = answeredOf(partition)
      const answers = await redis
        .multi()
        .hmget(keys.acksClaim(partition), 'token', 'written')
        .hgetall(keys.acks(partition))
        .exec()
      const failure = answers?.find(([error]) => error !== null)?.[0]
      if (!answers || failure) throw failure ?? new Error('Redis gave no answer to a transaction')
      const [[owner, written], acks] = answers.map(([, value]) => value) as [
        readonly [string | null, string | null],
        Record<string, string>,
      ]
      return owner === token && Number(written) >= answered ? acks : undefined
    },

    /** False, and nothing is written, where the claim of one of them, or something written under it, is gone. */
    async progressed(partitions: readonly number[], time: number): Promise<boolean> {
      const answers = await Promise.all(
        partitions.map((partition) =>
          progressScript(keys.acksClaim(partition), token, answeredOf(partition), time, kept_ms),
        ),
      )
      return answers.every((answer) => answer === 'ours')
    },
  }
}
