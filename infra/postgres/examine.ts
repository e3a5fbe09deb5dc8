/** The database as the doctor sees it. */
import pg from 'pg'
import type { DatabaseFacts } from '../../ops/ports.js'
import { type Address, connectionOf } from './address.js'
import { seekDatabase } from './admission.js'
import { readMigrations } from './migrate.js'

const limit_ms = 5_000

interface ServerRow {
  version: string
  now: string
  connections: number
  max: number
  migrated: boolean
}

/** @throws EngineRefused where it cannot be used as it is, Error where it does not answer */
export async function examineDatabase(address: Address): Promise<DatabaseFacts> {
  await seekDatabase(address)
  const client = new pg.Client({
    ...connectionOf(address),
    connectionTimeoutMillis: limit_ms,
    query_timeout: limit_ms,
  })
  client.on('error', () => {})
  await client.connect()
  try {
    const asked = Date.now()
    const { rows } = await client.query<ServerRow>(`
      SELECT current_setting('server_version') AS version, (extract(epoch FROM clock_timestamp()) * 1000)::text AS now,
             (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
             current_setting('max_connections')::int AS max, to_regclass('im_migration') IS NOT NULL AS migrated`)
    const answered = Date.now()
    const { version, now, connections, max, migrated } = rows[0]!
    const ran = migrated
      ? (await client.query<{ name: string; checksum: string }>('SELECT name, checksum FROM im_migration'))
          .rows
      : []
    const known = await readMigrations()
    const isKnown = (one: { name: string; checksum: string }) =>
      known.some(({ name, checksum }) => name === one.name && checksum === one.checksum)
    return {
      version,
      ahead_ms: Number(now) - (asked + answered) / 2,
      pending: known.map(({ name }) => name).filter((name) => !ran.some((each) => each.name === name)),
      foreign: ran.filter((each) => !isKnown(each)).map(({ name }) => name),
      connections,
      maxConnections: max,
    }
  } finally {
    await client.end()
  }
}
