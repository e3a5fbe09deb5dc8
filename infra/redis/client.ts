/** The connection to Redis: fails within seconds when Redis is away, and is back soon after it is. */
import type { ConnectionOptions } from 'node:tls'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import type { Logger } from '../../schemas/log.js'
import type { RedisAddress } from '../../schemas/redis-settings.js'
import { engineTls } from '../tls-files.js'

const commandTimeout_ms = 2_000
const connectTimeout_ms = 2_000
const longestBackoff_ms = 500
const revive_ms = 50
/** How soon a move of slots is noticed that no answer told of. */
const slotsRefresh_ms = 5_000

const backoff_ms = (attempt: number): number => Math.min(25 * 2 ** Math.min(attempt, 10), longestBackoff_ms)

/** What holds for every connection, to whatever it leads. */
const connectionOptions = ({ username, password }: RedisAddress, tls: ConnectionOptions | undefined) =>
  ({
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
    maxRetriesPerRequest: 1,
    commandTimeout: commandTimeout_ms,
    connectTimeout: connectTimeout_ms,
    // A peer that vanished without a word: what it owes is long overdue.
    socketTimeout: 2 * commandTimeout_ms,
    // What timed out while waiting was reported as failed: it must not be sent when Redis is back.
    autoResendUnfulfilledCommands: false,
  }) satisfies RedisOptions

type Options = ReturnType<typeof connectionOptions>

/**
 * Connects in the background. Commands that are issued together share one round trip. A command whose answer
 * does not come within 2 s rejects; it may still have been done.
 *
 * A cluster has the same commands, with two differences: keys of one command are in one slot, and commands on keys of
 * different slots have no order (`getMany` and `inOrder` see to that).
 * @throws Error where a file of a certificate cannot be used
 */
export function createRedis(address: RedisAddress, log: Logger): Redis {
  const tls = address.tls && engineTls('REDIS_TLS', address.tls)
  const options = connectionOptions(address, tls)
  const redis = address.mode === 'cluster' ? createCluster(address, options) : createSingle(address, options)
  for (const [name, each] of scripts) redis.defineCommand(name, each)
  let away = false
  redis.on('error', (error: Error & { lastNodeError?: Error }) => {
    if (!away) log.warn({ error: (error.lastNodeError ?? error).message }, 'Redis is away')
    away = true
  })
  redis.on('ready', () => {
    if (away) log.info({}, 'Redis is back')
    away = false
  })
  return redis
}

/** One server, or the master that sentinels name. */
function createSingle(address: RedisAddress, options: Options): Redis {
  const { mode, places, database, masterName, sentinelUsername, sentinelPassword } = address
  const [place] = places
  const redis = new Redis({
    ...options,
    db: database,
    enableAutoPipelining: true,
    retryStrategy: backoff_ms,
    // A master that has become a replica refuses writes: who is the master now?
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    ...(mode === 'single'
      ? { host: place?.host ?? '', port: place?.port ?? 0 }
      : {
          sentinels: places.map(({ host, port }) => ({ host, port })),
          name: masterName ?? '',
          ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
          ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
          ...(options.tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: options.tls }),
          sentinelCommandTimeout: commandTimeout_ms,
          sentinelRetryStrategy: backoff_ms,
          // Also where the old master says nothing more, or does not know yet that it is one no longer.
          failoverDetector: true,
        }),
  })
  return reviving(redis)
}

/**
 * ioredis ends a client for good that hears of a new master while it is connecting: it aborts its own attempt. Who was
 * not told to disconnect connects again.
 */
function reviving(redis: Redis): Redis {
  let isOver = false
  const disconnect = redis.disconnect.bind(redis)
  const quit = redis.quit.bind(redis)
  redis.disconnect = (reconnect = false) => {
    isOver ||= !reconnect
    disconnect(reconnect)
  }
  redis.quit = (...args: Parameters<typeof quit>) => {
    isOver = true
    return quit(...args)
  }
  redis.on('end', () => {
    if (isOver) return
    setTimeout(() => {
      // Where it fails it is an 'error', and tried again.
      if (!isOver && redis.status === 'end') redis.connect().catch(() => {})
    }, revive_ms)
  })
  return redis
}

function createCluster({ places }: RedisAddress, redisOptions: Options): Redis {
  const cluster = new Cluster(
    places.map(({ host, port }) => ({ host, port })),
    {
      redisOptions,
      enableAutoPipelining: true,
      clusterRetryStrategy: backoff_ms,
      slotsRefreshInterval: slotsRefresh_ms,
      // The state of the whole says little: a slot that is served is served.
      enableReadyCheck: false,
      // A command whose answer did not come is not repeated here: it may have been done, as with a single Redis.
      retryDelayOnFailover: 0,
      // Certificates bear names: they are resolved only when a connection is made.
      dnsLookup: (host, callback) => callback(null, host),
    },
  )
  // A connection broke: its slots may have got another master.
  cluster.on('-node', () => {
    if (cluster.status === 'ready') cluster.refreshSlotsCache()
  })
  const send = cluster.sendCommand.bind(cluster)
  cluster.sendCommand = (command, ...rest) => {
    if (cluster.status === 'ready') return send(command, ...rest)
    // It would wait without an end, and be done late.
    command.reject(new Error('The Redis Cluster is not reachable'))
    return command.promise
  }
  return cluster as unknown as Redis
}

/** The masters as they are known at the moment; one of them where it is no cluster. */
export const mastersOf = (redis: Redis): readonly Redis[] =>
  redis.isCluster ? (redis as unknown as Cluster).nodes('master') : [redis]

/**
 * Runs both such that Redis does `first` before `second`. One server works off in order what it is sent, in one round
 * trip; the nodes of a cluster know no order.
 */
export async function inOrder<First, Second>(
  redis: Redis,
  first: () => Promise<First>,
  second: () => Promise<Second>,
): Promise<[First, Second]> {
  if (redis.isCluster) return [await first(), await second()]
  return Promise.all([first(), second()])
}

/** What a script gives back: Lua's nil and false are null. */
export type ScriptAnswer = null | string | number | readonly ScriptAnswer[]

type Script = (key: string, ...args: (string | number)[]) => Promise<ScriptAnswer>

/**
 * Every script of ours. A connection knows them before its first command: ioredis collects commands while others are
 * under way, and one that is defined meanwhile is missing there, which ends the process when the answers come.
 */
const scripts = new Map<string, { readonly lua: string; readonly numberOfKeys: number }>()

/**
 * A Lua script, sent once per connection, then called by its hash. To be made when its module is loaded.
 * @param name unique among all scripts
 * @param numberOfKeys the first arguments are keys; they share a slot
 * @returns what makes it callable on a connection of `createRedis`
 */
export function script(name: string, lua: string, numberOfKeys = 1): (redis: Redis) => Script {
  scripts.set(name, { lua, numberOfKeys })
  return (redis) => {
    const commands = redis as unknown as Readonly<Record<string, Script | undefined>>
    if (commands[name] === undefined) throw new Error(`the script ${name} is younger than the connection`)
    return (key, ...args) => commands[name]!(key, ...args)
  }
}

/**
 * The strings under many keys, in order, by one command, which costs a fifth of a command per key: every message
 * asks for the presence and the phones of its readers. In a cluster each key has a slot of its own, and the commands
 * to one node share a round trip.
 */
export async function getMany(redis: Redis, keys: readonly string[]): Promise<readonly (string | null)[]> {
  if (keys.length === 0) return []
  return redis.isCluster ? Promise.all(keys.map((key) => redis.get(key))) : redis.mget(...keys)
}
