/** Whether PostgreSQL can be used: its version, our rights, whether it is the primary. Asked once, at the start. */
import pg from 'pg'
import { EngineRefused } from '../../schemas/engine-refused.js'
import { type Address, addressOf, connectionOf } from './address.js'
import { readMigrations } from './migrate.js'
import { refusalOf, refuseOld } from './refusals.js'

const limit_ms = 5_000

interface ServerRow {
  version: string
  user: string
  readOnly: boolean
  migrated: boolean
  planned: boolean
}

/** Tables and functions that this role may not use as the roles do, a few of them. */
const lacking = `
  SELECT c.relname AS name FROM pg_class c
   WHERE c.relnamespace = to_regnamespace(current_schema()) AND c.relkind IN ('r', 'p') AND c.relname LIKE 'im\\_%'
     AND c.relname <> 'im_migration'
     AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
              AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
  UNION ALL
  SELECT p.proname FROM pg_proc p
   WHERE p.pronamespace = to_regnamespace(current_schema()) AND p.proname LIKE 'im\\_%'
     AND NOT has_function_privilege(p.oid, 'EXECUTE')
   ORDER BY 1 LIMIT 3`

async function check(client: pg.Client, isPooled: boolean): Promise<readonly string[]> {
  const { rows } = await client.query<ServerRow>(`
    SELECT current_setting('server_version') AS version, current_user AS user,
           current_setting('transaction_read_only')::boolean AS "readOnly",
           to_regclass('im_migration') IS NOT NULL AS migrated,
           current_setting('enable_seqscan') = 'off' AS planned`)
  const { version, user, readOnly, migrated, planned } = rows[0]!
  refuseOld(version)
  if (readOnly) throw new Error('the database is read-only: a standby that has not become the primary')
  const { rows: missing } = await client.query<{ name: string }>(lacking)
  if (missing.length > 0)
    throw new EngineRefused(
      `the role ${user} lacks rights in PostgreSQL, such as on ${missing.map(({ name }) => name).join(', ')}`,
      'let it be the role that runs --setup, or grant it SELECT, INSERT, UPDATE, DELETE and EXECUTE (docs/operate/postgres.md)',
    )
  const doubts: string[] = []
  if (isPooled && !planned)
    doubts.push(
      'the pooler has sessions without the settings that --setup stored with the role: restart it, or let its connections age',
    )
  if (migrated) {
    const known = (await readMigrations()).map(({ name }) => name)
    const ran = await client.query<{ name: string }>('SELECT name FROM im_migration')
    const newer = ran.rows.map(({ name }) => name).filter((name) => !known.includes(name))
    if (newer.length > 0)
      doubts.push(
        `the database belongs to a newer release (${newer.join(', ')}): this one works with it while you upgrade; finish that`,
      )
  }
  return doubts
}

/**
 * @returns what works and should not stay so, a line each
 * @throws EngineRefused where waiting helps nothing, else what is wrong at the moment
 */
export async function seekDatabase(address: Address): Promise<readonly string[]> {
  const client = new pg.Client({
    ...connectionOf(address),
    connectionTimeoutMillis: limit_ms,
    query_timeout: limit_ms,
    // As our pool does it: a pooler that takes no settings is found here.
    ...(addressOf(address).isPooled ? {} : { options: '-c jit=off' }),
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return await check(client, addressOf(address).isPooled)
  } catch (error) {
    throw error instanceof EngineRefused ? error : refusalOf(error)
  } finally {
    await client.end().catch(() => {})
  }
}
