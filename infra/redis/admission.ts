/** Whether Redis can be used: what it is, whether it lets us in, and whether it takes what we write. */
import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { EngineRefused } from '../../schemas/engine-refused.js'
import type { RedisAddress } from '../../schemas/redis-settings.js'
import { handshakeRefusal } from '../handshake-refusal.js'
import { mastersOf } from './client.js'

const oldest = [6, 2] as const
const probeKept_ms = 1_000

export interface RedisMaster {
  readonly version: string
  readonly role: string
  /** What it does when its memory is full; empty where it does not say. */
  readonly evictionPolicy: string
  /** 0: no limit. */
  readonly maxMemoryBytes: number
}

const field = (info: string, name: string): string =>
  new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? ''

/** Answers of Redis that stay as they are, and what to do then. */
const refusals: readonly [pattern: RegExp, says: string, remedy: string][] = [
  [/^NOAUTH/, 'Redis wants a password', 'set REDIS_PASSWORD (and REDIS_USERNAME, where users are defined)'],
  [
    /^WRONGPASS|invalid password/,
    'Redis does not let us in',
    'are REDIS_PASSWORD and REDIS_USERNAME right, or those in REDIS_URL?',
  ],
  [/^NOPERM/, 'the user of Redis lacks a right', 'docs/operate/redis.md has the rights that it needs'],
  [
    /^READONLY/,
    'Redis is read-only: a replica',
    'let REDIS_URL lead to the master, or REDIS_MODE=sentinel find it',
  ],
  [
    /^MOVED|cluster support disabled/,
    'REDIS_MODE does not fit this Redis',
    'REDIS_MODE=cluster is for the nodes of a Redis Cluster, and for them alone',
  ],
  [/^MISCONF/, 'Redis takes no writes, since it cannot save to its disk', 'look at its log and its disk'],
  [
    /^NOREPLICAS/,
    'Redis takes no writes without its replicas',
    'bring them up (min-replicas-to-write asks for them)',
  ],
  [/^OOM/, 'the memory of Redis is full', 'raise maxmemory'],
  [
    /No such master|invalid reply: null/,
    'the sentinels do not know that master',
    'is REDIS_MASTER_NAME right?',
  ],
]
/** These may pass while we wait. */
const passing = /^MISCONF|^NOREPLICAS|^OOM/

function refusalOf(error: Error): EngineRefused | undefined {
  const known = refusals.find(([pattern]) => pattern.test(error.message))
  if (known === undefined) return handshakeRefusal(error, 'Redis', 'REDIS_TLS')
  const [, says, remedy] = known
  return new EngineRefused(`${says} (${error.message})`, remedy, { cause: error })
}

function refuseUnfit(info: string, { mode }: RedisAddress): void {
  const kind = field(info, 'redis_mode')
  const version = field(info, 'redis_version')
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (mode !== 'sentinel' && kind === 'sentinel')
    throw new EngineRefused(
      'REDIS_URL leads to a sentinel',
      'set REDIS_MODE=sentinel and REDIS_MASTER_NAME, or name the server',
    )
  if (mode !== 'cluster' && kind === 'cluster')
    throw new EngineRefused('REDIS_URL leads to a node of a Redis Cluster', 'set REDIS_MODE=cluster')
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1]))
    throw new EngineRefused(`Redis ${version} is too old`, `Redis ${oldest.join('.')} or newer is needed`)
  if (field(info, 'role') === 'slave')
    throw new EngineRefused(
      'Redis is read-only: a replica',
      'let REDIS_URL lead to the master, or REDIS_MODE=sentinel find it',
    )
}

/** What may be behind an end of the connection, which may also be a restart. */
function guess(error: Error & { code?: string }, { tls }: RedisAddress): Error {
  if (tls === undefined) return error
  if (error.code === 'ETIMEDOUT')
    return new Error('Redis does not answer a handshake: does it speak TLS there?', { cause: error })
  if (error.code === 'ECONNRESET' && tls.cert === undefined)
    return new Error(
      'Redis ends the connection after the handshake: does it want a certificate (REDIS_TLS_CERT)?',
      {
        cause: error,
      },
    )
  return error
}

/** The reason behind a command that failed since there is no connection. */
type Reason = Error & { readonly lastNodeError?: Error }

/**
 * What the masters say of themselves; a record was written to one of them.
 * @param prefix of our keys
 * @throws EngineRefused where waiting helps nothing, else what is wrong at the moment
 */
export async function seekRedis(
  redis: Redis,
  address: RedisAddress,
  prefix: string,
): Promise<readonly RedisMaster[]> {
  let reason: Reason | undefined
  const listen = (error: Reason) => {
    reason = error.lastNodeError ?? error
  }
  redis.on('error', listen)
  redis.on('sentinelError', listen)
  try {
    await redis
      .set(`${prefix}probe:{${randomUUID()}}`, '', 'PX', probeKept_ms)
      .catch(async (error: Error) => {
        // What it is says more than which command it refused.
        if (!redis.isCluster) refuseUnfit(await redis.info(), address)
        throw error
      })
    const infos = await Promise.all(mastersOf(redis).map((master) => master.info()))
    for (const info of infos) refuseUnfit(info, address)
    return infos.map((info) => ({
      version: field(info, 'redis_version'),
      role: field(info, 'role'),
      evictionPolicy: field(info, 'maxmemory_policy'),
      maxMemoryBytes: Number(field(info, 'maxmemory')),
    }))
  } catch (error) {
    if (error instanceof EngineRefused) throw error
    const refusal = refusalOf(error as Error) ?? (reason && refusalOf(reason))
    if (refusal === undefined) throw guess((reason ?? error) as Error, address)
    throw passing.test((refusal.cause as Error).message) ? new Error(refusal.message) : refusal
  } finally {
    redis.off('error', listen)
    redis.off('sentinelError', listen)
  }
}

/** Whether what we keep may be thrown away when memory is full. */
export const evicts = ({ evictionPolicy, maxMemoryBytes }: RedisMaster): boolean =>
  maxMemoryBytes > 0 && evictionPolicy !== 'noeviction' && evictionPolicy !== ''

/** What an operator reads of that. */
export const evictionWarning = (policy: string): string =>
  `maxmemory-policy of Redis is ${policy}: when its memory is full, presence and pending acks are thrown away: set noeviction`
