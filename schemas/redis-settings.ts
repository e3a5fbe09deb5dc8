/** Settings of Redis: one server, a cluster, or a master that sentinels know. Part of config.ts. */
import { z } from 'zod'
import { list, setting } from './setting.js'
import type { TlsFiles } from './tls-files.js'

const schemes = ['redis:', 'rediss:']

const addresses = list.transform((items, context) => {
  for (const item of items)
    if (!URL.canParse(item) || !schemes.includes(new URL(item).protocol) || new URL(item).hostname === '')
      context.addIssue({
        code: 'custom',
        message:
          'each is redis://user:password@host:port, or rediss:// for TLS, comma-separated; other characters in a password percent-encoded',
      })
  return items as readonly string[]
})
const file = z.string().optional()

export const redisSettings = {
  REDIS_URL: setting(
    addresses,
    '',
    'redis://user:password@host:port/db, rediss:// for TLS; several, comma-separated, of a cluster or of sentinels',
  ),
  REDIS_MODE: setting(
    z.enum(['single', 'cluster', 'sentinel']),
    'single',
    'what is at REDIS_URL: a server, some nodes of a Redis Cluster, or sentinels that know the master',
  ),
  REDIS_MASTER_NAME: setting(
    z.string().optional(),
    undefined,
    'name of the master, with REDIS_MODE=sentinel',
  ),
  REDIS_USERNAME: setting(
    z.string().optional(),
    undefined,
    'user for Redis (ACL), where REDIS_URL names none',
  ),
  REDIS_PASSWORD: setting(
    z.string().optional(),
    undefined,
    'password for Redis, where REDIS_URL has none; of the master, not of sentinels',
  ),
  REDIS_SENTINEL_USERNAME: setting(z.string().optional(), undefined, 'user for the sentinels themselves'),
  REDIS_SENTINEL_PASSWORD: setting(z.string().optional(), undefined, 'password for the sentinels themselves'),
  REDIS_TLS_CA: setting(file, undefined, 'file (PEM) of the authority whose certificates Redis shows'),
  REDIS_TLS_CERT: setting(file, undefined, 'client certificate file (PEM) for Redis'),
  REDIS_TLS_KEY: setting(file, undefined, 'its private key file (PEM)'),
  REDIS_TLS_SERVERNAME: setting(
    z.string().optional(),
    undefined,
    'name in the certificates of Redis, where its nodes are reached by addresses that are not in them',
  ),
} as const

type Settings = typeof redisSettings
type RedisConfig = { readonly [K in keyof Settings]: z.output<Settings[K]['schema']> }

interface Place {
  readonly host: string
  readonly port: number
}

/** How Redis is reached. */
export interface RedisAddress {
  readonly mode: 'single' | 'cluster' | 'sentinel'
  /** The server, nodes of the cluster, or the sentinels; one at least. */
  readonly places: readonly Place[]
  /** Of the server or the master. */
  readonly database: number
  readonly masterName?: string | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly sentinelUsername?: string | undefined
  readonly sentinelPassword?: string | undefined
  /** Absent: no TLS. */
  readonly tls?: TlsFiles | undefined
}

const defaultPort = { redis: 6_379, sentinel: 26_379 }
const databaseOf = (url: string): string => new URL(url).pathname.slice(1)

/** What the settings say about how Redis is reached. They have passed the checks of config.ts. */
export function redisAddress(config: Pick<RedisConfig, 'REDIS_URL'> & Partial<RedisConfig>): RedisAddress {
  const mode = config.REDIS_MODE ?? 'single'
  const urls = config.REDIS_URL.map((url) => new URL(url))
  const [first] = urls
  const [username, password] = [first?.username ?? '', first?.password ?? ''].map(decodeURIComponent)
  const port = mode === 'sentinel' ? defaultPort.sentinel : defaultPort.redis
  const { REDIS_TLS_CA: ca, REDIS_TLS_CERT: cert, REDIS_TLS_KEY: key } = config
  return {
    mode,
    places: urls.map((url) => ({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port || port),
    })),
    database: first === undefined ? 0 : Number(databaseOf(first.href) || 0),
    masterName: config.REDIS_MASTER_NAME,
    username: username || config.REDIS_USERNAME,
    password: password || config.REDIS_PASSWORD,
    sentinelUsername: config.REDIS_SENTINEL_USERNAME,
    sentinelPassword: config.REDIS_SENTINEL_PASSWORD,
    tls:
      first?.protocol === 'rediss:' ? { ca, cert, key, servername: config.REDIS_TLS_SERVERNAME } : undefined,
  }
}

/** What each setting's value alone cannot show. */
export function redisContradictions(config: RedisConfig): string[] {
  const faults: string[] = []
  const { REDIS_URL: urls, REDIS_MODE: mode } = config
  const differs = (part: (url: URL) => string) => new Set(urls.map((url) => part(new URL(url)))).size > 1
  if (mode === 'single' && urls.length > 1)
    faults.push(
      'REDIS_URL has several addresses: REDIS_MODE must say whether they are a cluster or sentinels',
    )
  if (differs(({ protocol }) => protocol))
    faults.push('REDIS_URL has redis:// and rediss:// addresses: all or none are reached over TLS')
  if (differs(({ username, password }) => `${username}:${password}`))
    faults.push('REDIS_URL has addresses with different users or passwords: all nodes know one user')
  if (differs((url) => databaseOf(url.href))) faults.push('REDIS_URL has addresses with different databases')
  if (urls.some((url) => !/^\d*$/.test(databaseOf(url))))
    faults.push('REDIS_URL: what follows the address is the number of a database, such as /0')
  if (mode === 'cluster' && urls.some((url) => Number(databaseOf(url)) > 0))
    faults.push('REDIS_URL names a database: a cluster has only number 0')
  if (mode === 'sentinel' && config.REDIS_MASTER_NAME === undefined)
    faults.push('REDIS_MODE=sentinel needs REDIS_MASTER_NAME')
  if ((config.REDIS_TLS_CERT === undefined) !== (config.REDIS_TLS_KEY === undefined))
    faults.push('REDIS_TLS_CERT and REDIS_TLS_KEY go together: set both or neither')
  return faults
}
