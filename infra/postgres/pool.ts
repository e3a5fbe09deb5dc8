/** Connections to PostgreSQL. Every bigint of ours is below 2^53, so they are read as numbers. */
import pg from 'pg'
import { createTrouble, type Logger } from '../../schemas/log.js'
import { type Address, addressOf, connectionOf } from './address.js'
import { isServerGone } from './errors.js'

const connectTimeout_ms = 3_000
/** The server gives up first, so that a client whose answer is late knows that nothing was done. */
const statementTimeout_ms = 6_000
const queryTimeout_ms = 8_000
const idleTimeout_ms = 30_000

/**
 * Every hot statement has one right plan, by index. Left alone the server keeps a plan from when a table was empty, a
 * sequential scan, until its first ANALYZE; and plans the statements of a function anew at each call, half of its time.
 */
const planning = { enable_seqscan: 'off', plan_cache_mode: 'force_generic_plan', jit: 'off' }

/** What holds in every session of ours. A pooler has no sessions: there it is stored with the role, by the setup. */
export const sessionSettings: Readonly<Record<string, string>> = {
  ...planning,
  statement_timeout: `${statementTimeout_ms}ms`,
}

const startupOptions = Object.entries(sessionSettings)
  .map(([name, value]) => `-c ${name}=${value}`)
  .join(' ')

const int8_oid = 20
const int8Array_oid = 1016

/** @throws RangeError where a number would be rounded */
function toSafeInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} is beyond 2^53`)
  return value
}

const toSafeIntegers = (text: string): (number | null)[] =>
  text === '{}'
    ? []
    : text
        .slice(1, -1)
        .split(',')
        .map((item) => (item === 'NULL' ? null : toSafeInteger(item)))

const textParsers = new Map<number, (text: string) => unknown>([
  [int8_oid, toSafeInteger],
  [int8Array_oid, toSafeIntegers],
])

const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: string) =>
    (format === 'binary' ? undefined : textParsers.get(oid)) ??
    pg.types.getTypeParser(oid, format as 'text' | undefined),
}

/**
 * Behind a pooler the next statement may come to another server, which does not know the statements that were prepared
 * on this one. (pg offers a class to extend, and no function to pass.)
 */
class NamelessClient extends pg.Client {
  // biome-ignore lint/suspicious/noExplicitAny: every overload of the original
  override query(query: any, ...rest: any[]): any {
    const isNamed = typeof query === 'object' && query !== null && 'name' in query && 'text' in query
    return Reflect.apply(super.query, this, [isNamed ? { ...query, name: undefined } : query, ...rest])
  }
}

/**
 * Opens connections as they are needed and closes those that are idle. Rejects within seconds when the
 * database is away: see infra/postgres/errors.ts for whose fault an error is.
 * @param max connections at once
 * @throws Error where a file of a certificate cannot be used
 */
export function createPool(address: Address, max: number, log: Logger): pg.Pool {
  const { isPooled } = addressOf(address)
  const pool = new pg.Pool({
    ...connectionOf(address),
    max,
    types,
    application_name: 'coffeechat',
    connectionTimeoutMillis: connectTimeout_ms,
    query_timeout: queryTimeout_ms,
    ...(isPooled ? { Client: NamelessClient } : { options: startupOptions }),
    idleTimeoutMillis: idleTimeout_ms,
    keepAlive: true,
  })
  // Without a listener an idle connection that breaks (a restart of the database) would end the process.
  // All of them break at once; a new one tells that it is over.
  const broken = createTrouble(log, 'an idle database connection broke')
  pool.on('error', (error) => broken.failed(error))
  pool.on('connect', broken.isOver)
  return pool
}

/** What both a pool and one of its clients can do. */
export interface Queryable {
  query<Row extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<pg.QueryResult<Row>>
}

/**
 * A hot query: the server parses and plans it once per connection.
 * @param name unique among all prepared queries
 */
export const prepared =
  <Row extends pg.QueryResultRow>(name: string, text: string) =>
  async (on: Queryable, values: unknown[]): Promise<Row[]> =>
    (await on.query<Row>({ name, text, values })).rows

/**
 * Runs `work` in one transaction on one connection: COMMIT when it resolves, ROLLBACK when it throws.
 * A connection whose ROLLBACK fails is closed, and so is one to a server that has become a standby.
 */
export async function inTransaction<Result>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query('BEGIN')
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    if (isServerGone(error)) broken = error as Error
    await client.query('ROLLBACK').catch((reason: Error) => {
      broken = reason
    })
    throw error
  } finally {
    client.release(broken)
  }
}
