/** Settings of PostgreSQL. Part of config.ts. */
import { z } from 'zod'
import { count, flag, setting } from './setting.js'
import type { TlsFiles } from './tls-files.js'

const tlsModes = ['disable', 'require', 'verify-ca', 'verify-full'] as const
type TlsMode = (typeof tlsModes)[number]

/** What libpq's URLs may say of TLS: kept, and read by us. */
const tlsParameters = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey'] as const

const address = z.string().refine(
  (url) => {
    if (url === '') return true
    if (!URL.canParse(url)) return false
    const { protocol, hostname, pathname, searchParams } = new URL(url)
    const mode = searchParams.get('sslmode')
    return (
      /^postgres(ql)?:$/.test(protocol) &&
      hostname !== '' &&
      pathname.length > 1 &&
      (mode === null || tlsModes.includes(mode as TlsMode))
    )
  },
  `postgres://user:password@host:port/database, other characters in a password percent-encoded; sslmode in it is one of ${tlsModes.join(', ')}`,
)
const file = z.string().optional()

export const databaseSettings = {
  DATABASE_URL: setting(address, '', 'postgres://user:password@host:port/database'),
  DATABASE_POOL: setting(count(1, 100), '8', 'database connections of this process'),
  DATABASE_POOLER: setting(
    flag,
    'false',
    'DATABASE_URL leads to a pooler in transaction mode (PgBouncer): no prepared statements, no settings of a session',
  ),
  DATABASE_MIGRATION_URL: setting(
    address.optional(),
    undefined,
    'the database itself, for --setup, where DATABASE_URL leads to a pooler',
  ),
  DATABASE_TLS_CA: setting(
    file,
    undefined,
    'file (PEM) of the authority whose certificate the database shows; with it sslmode is verify-full where the URL has none',
  ),
  DATABASE_TLS_CERT: setting(file, undefined, 'client certificate file (PEM) for the database'),
  DATABASE_TLS_KEY: setting(file, undefined, 'its private key file (PEM)'),
} as const

type Settings = typeof databaseSettings
type DatabaseConfig = { readonly [K in keyof Settings]: z.output<Settings[K]['schema']> }

/** How PostgreSQL is reached. */
export interface DatabaseAddress {
  /** Says nothing of TLS. */
  readonly url: string
  /** Absent: none. require: encrypted, whoever it is. verify-ca: of our authority. verify-full: and of that name. */
  readonly tls?: (TlsFiles & { readonly mode: Exclude<TlsMode, 'disable'> }) | undefined
  /** A pooler stands between: what holds for a session is nobody's. */
  readonly isPooled: boolean
}

function addressOf(config: DatabaseConfig, text: string, isPooled: boolean): DatabaseAddress {
  if (text === '') return { url: '', isPooled }
  const url = new URL(text)
  const said = (name: (typeof tlsParameters)[number]) => url.searchParams.get(name) ?? undefined
  const ca = config.DATABASE_TLS_CA ?? said('sslrootcert')
  const cert = config.DATABASE_TLS_CERT ?? said('sslcert')
  const key = config.DATABASE_TLS_KEY ?? said('sslkey')
  const mode = (said('sslmode') ?? (ca === undefined ? 'disable' : 'verify-full')) as TlsMode
  for (const name of tlsParameters) url.searchParams.delete(name)
  return {
    url: url.href,
    isPooled,
    ...(mode === 'disable' ? {} : { tls: { mode, ca, cert, key } }),
  }
}

/** Where the roles find the database. */
export const databaseAddress = (config: DatabaseConfig): DatabaseAddress =>
  addressOf(config, config.DATABASE_URL, config.DATABASE_POOLER)

/** Where migrations run: never through a pooler. */
export const migrationAddress = (config: DatabaseConfig): DatabaseAddress =>
  addressOf(config, config.DATABASE_MIGRATION_URL ?? config.DATABASE_URL, false)

/** What each setting's value alone cannot show. */
export function databaseContradictions(config: DatabaseConfig): string[] {
  const faults: string[] = []
  if ((config.DATABASE_TLS_CERT === undefined) !== (config.DATABASE_TLS_KEY === undefined))
    faults.push('DATABASE_TLS_CERT and DATABASE_TLS_KEY go together: set both or neither')
  if (config.DATABASE_POOLER && config.DATABASE_MIGRATION_URL === undefined)
    faults.push(
      'DATABASE_POOLER needs DATABASE_MIGRATION_URL, the database itself: migrations hold a lock for their session',
    )
  return faults
}
