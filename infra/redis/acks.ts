/**
 * Acks that wait for the flush to PostgreSQL (spec 2, "Group chat" 4). Redis may lose them: the tracker commits no
 * offset before the flush, and its claim of a partition tells it, and whoever looks acks up, that they were lost.
 */
import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { deviceKey, parseDeviceKey } from '../../schemas/ids.js'
import type {
  AckLookup,
  LoginPolicy,
  PendingAck,
  PendingAcks,
  Presence,
} from '../../workers/ports/presence.js'
import { script } from './client.js'
import type { RedisKeys } from './keys.js'
import { areRivals } from './presence-scripts.js'

/** Where no tracker is left, its acks are read again from the bus by the next. */
const kept_ms = 24 * 3_600_000
const fieldsPerCommand = 1_000

/** The owner changes; what waits stays; how far the new owner is, it must say itself. */
const claim = `
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'until', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'claimed'
`

const progress = `
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return false end
redis.call('HSET', KEYS[1], 'until', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 'ours'
`

type Login = PendingAck & { readonly login_number: number }

const ackField = ({ reader_user_id, device, from_user_id, msg_id }: PendingAck): string =>
  JSON.stringify([reader_user_id, device, from_user_id, msg_id])

function parseAck(field: string, time: string): PendingAck & { readonly time: number } {
  const [reader_user_id, device, from_user_id, msg_id] = JSON.parse(field) as [number, string, number, string]
  return { reader_user_id, device, from_user_id, msg_id, time: Number(time) }
}

function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size)
}

/** For who only looks acks up: the delivery check. */
export function createAckLookup({ redis, keys }: { redis: Redis; keys: RedisKeys }): AckLookup {
  /** Never forgotten, so that an emptied Redis is seen as such by `find`. */
  const partitions = new Set<number>()

  async function learnPartitions(): Promise<void> {
    for (const partition of await redis.smembers(keys.acksPartitions)) partitions.add(Number(partition))
  }

  /** Values of these fields in one partition, in order. */
  const valuesOf = async (partition: number, fields: readonly string[]): Promise<(string | null)[]> =>
    (
      await Promise.all(
        [...chunks(fields, fieldsPerCommand)].map((part) => redis.hmget(keys.acks(partition), ...part)),
      )
    ).flat()

  return {
    async find(acks) {
      if (partitions.size === 0) await learnPartitions()
      const fields = acks.map(ackField)
      const known = [...partitions]
      // Progress first: Redis works commands off in order, so what it covers is in the hashes that are read next.
      const [, untils, found] = await Promise.all([
        learnPartitions(),
        Promise.all(known.map((partition) => redis.hget(keys.acksClaim(partition), 'until'))),
        Promise.all(known.map((partition) => valuesOf(partition, fields))),
      ])
      const complete = known.length > 0 && known.length === partitions.size
      return {
        acked: acks.map((_, at) => found.some((values) => values[at] !== null && values[at] !== undefined)),
        handledUntil: complete ? Math.min(...untils.map(Number)) : 0,
      }
    },
  }
}

interface Settings {
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly presence: Pick<Presence, 'of'>
  readonly policy: LoginPolicy
}

/** The acks that wait in Redis, under a claim of this process. */
export function createPendingAcks({ redis, keys, presence, policy }: Settings): PendingAcks {
  const claimScript = script(redis, 'acksClaim', claim)
  const progressScript = script(redis, 'acksProgress', progress)
  const token = randomUUID()

  /** True for an ack of a login whose place a newer login has taken (I9). */
  async function replacedLogins(acks: readonly Login[]): Promise<(ack: Login) => boolean> {
    const present = await presence.of(acks.map(({ reader_user_id }) => reader_user_id))
    return (ack) => {
      const device = parseDeviceKey(ack.device)
      return (present.get(ack.reader_user_id) ?? []).some(
        (other) =>
          other.login_number > ack.login_number &&
          (deviceKey(other.device) === ack.device || areRivals(policy, other.device, device)),
      )
    }
  }

  return {
    ...createAckLookup({ redis, keys }),

    async add(partition, acks) {
      if (acks.length === 0) return
      const isReplaced = await replacedLogins(acks)
      const pairs = acks.filter((ack) => !isReplaced(ack)).map((ack) => [ackField(ack), ack.time] as const)
      if (pairs.length === 0) return
      await Promise.all([
        ...[...chunks(pairs, fieldsPerCommand)].map((part) =>
          redis.hset(keys.acks(partition), ...part.flat()),
        ),
        redis.pexpire(keys.acks(partition), kept_ms),
      ])
    },

    async claim(claimed) {
      if (claimed.length === 0) return
      await Promise.all([
        redis.sadd(keys.acksPartitions, ...claimed),
        ...claimed.map((partition) => claimScript(keys.acksClaim(partition), token, kept_ms)),
      ])
    },

    async read(partition) {
      const answers = await redis
        .multi()
        .hget(keys.acksClaim(partition), 'token')
        .hgetall(keys.acks(partition))
        .exec()
      const failure = answers?.find(([error]) => error !== null)?.[0]
      if (!answers || failure) throw failure ?? new Error('Redis gave no answer to a transaction')
      const [owner, acks] = answers.map(([, value]) => value) as [string | null, Record<string, string>]
      if (owner !== token) return undefined
      return Object.entries(acks).map(([field, time]) => parseAck(field, time))
    },

    async drop(partition, acks) {
      const fields = acks.map(ackField)
      await Promise.all(
        [...chunks(fields, fieldsPerCommand)].map((part) => redis.hdel(keys.acks(partition), ...part)),
      )
    },

    async progressed(owned, time) {
      const answers = await Promise.all(
        owned.map((partition) => progressScript(keys.acksClaim(partition), token, time, kept_ms)),
      )
      return answers.every((answer) => answer === 'ours')
    },
  }
}
