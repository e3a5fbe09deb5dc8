/** The connection to Redis: fails within seconds when Redis is away, and is back soon after it is. */
import { Redis } from 'ioredis'
import type { Logger } from '../../schemas/log.js'

const commandTimeout_ms = 2_000
const connectTimeout_ms = 2_000
const longestBackoff_ms = 500

/**
 * Connects in the background. Commands that are issued together share one round trip. A command whose answer
 * does not come within 2 s rejects; it may still have been done.
 * @param url redis://[user:password@]host:port/db, or rediss:// for TLS
 */
export function createRedis(url: string, log: Logger): Redis {
  const redis = new Redis(url, {
    enableAutoPipelining: true,
    maxRetriesPerRequest: 1,
    commandTimeout: commandTimeout_ms,
    connectTimeout: connectTimeout_ms,
    // A peer that vanished without a word: what it owes is long overdue.
    socketTimeout: 2 * commandTimeout_ms,
    // What timed out while waiting was reported as failed: it must not be sent when Redis is back.
    autoResendUnfulfilledCommands: false,
    retryStrategy: (attempt) => Math.min(25 * 2 ** Math.min(attempt, 10), longestBackoff_ms),
  })
  let away = false
  redis.on('error', (error: Error) => {
    if (!away) log.warn({ error: error.message }, 'Redis is away')
    away = true
  })
  redis.on('ready', () => {
    if (away) log.info({}, 'Redis is back')
    away = false
  })
  return redis
}

/** What a script gives back: Lua's nil and false are null. */
export type ScriptAnswer = null | string | number | readonly ScriptAnswer[]

type Script = (key: string, ...args: (string | number)[]) => Promise<ScriptAnswer>

/**
 * Makes a Lua script that works on one key callable. It is sent once per connection, then by its hash.
 * @param name unique among all scripts of this client with the same text
 */
export function script(redis: Redis, name: string, lua: string): Script {
  redis.defineCommand(name, { numberOfKeys: 1, lua })
  const commands = redis as unknown as Record<string, Script>
  return (key, ...args) => commands[name]!(key, ...args)
}

/**
 * The strings under many keys, in order, by one command, which costs a fifth of a command per key: every message
 * asks for the presence and the phones of its readers. On a Redis Cluster this is where keys would be grouped by slot.
 */
export const getMany = async (redis: Redis, keys: readonly string[]): Promise<readonly (string | null)[]> =>
  keys.length === 0 ? [] : redis.mget(...keys)
