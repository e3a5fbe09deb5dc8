/** Brings a database to the schema of this release: numbered SQL files that run once, in order (spec 5). */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { DatabaseAddress } from '../../schemas/database-settings.js'
import { EngineRefused } from '../../schemas/engine-refused.js'
import type { Logger } from '../../schemas/log.js'
import { type Address, addressOf, connectionOf } from './address.js'
import { isDuplicateDatabase, isMissingDatabase } from './errors.js'
import { sessionSettings } from './pool.js'
import { refusalOf, refuseOld } from './refusals.js'

// From dist/infra/postgres back to the sources: SQL is not compiled.
const migrationsFolder = join(import.meta.dirname, '../../../infra/postgres/migrations')
/** Of the advisory lock; any number that nobody else uses. */
const lockKey = 4_736_021_990
const connectTimeout_ms = 10_000

export interface Migration {
  readonly number: number
  /** The file's name. */
  readonly name: string
  readonly sql: string
  /** SHA-256 in hexadecimal. */
  readonly checksum: string
}

/** The migrations of this release, in order. */
export async function readMigrations(folder = migrationsFolder): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_\w+\.sql$/.test(name)).sort()
  const migrations = names.map(async (name) => {
    const sql = (await readFile(join(folder, name), 'utf8')).replaceAll('\r\n', '\n')
    const checksum = createHash('sha256').update(sql).digest('hex')
    return { number: Number(name.slice(0, 4)), name, sql, checksum }
  })
  return Promise.all(migrations)
}

const connect = async (address: DatabaseAddress): Promise<pg.Client> => {
  const client = new pg.Client({
    ...connectionOf(address),
    connectionTimeoutMillis: connectTimeout_ms,
    // A migration takes as long as it takes, whatever is stored with the role.
    options: '-c statement_timeout=0',
  })
  // What breaks between queries shows in the next one.
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Connects to the database of the URL, which is created where it is missing. */
async function connectOrCreate(address: DatabaseAddress, log: Logger): Promise<pg.Client> {
  try {
    return await connect(address)
  } catch (error) {
    if (!isMissingDatabase(error)) throw error
  }
  const database = decodeURIComponent(new URL(address.url).pathname.slice(1))
  const maintenance = new URL(address.url)
  maintenance.pathname = '/postgres'
  const client = await connect({ ...address, url: maintenance.href })
  try {
    await client.query(`CREATE DATABASE ${pg.escapeIdentifier(database)} ENCODING 'UTF8' TEMPLATE template0`)
    log.info({ database }, 'created the database')
  } catch (error) {
    if (!isDuplicateDatabase(error)) throw error
  } finally {
    await client.end()
  }
  return connect(address)
}

/** @throws Error where the database is newer than this release, or a file that ran has changed since */
async function pendingMigrations(client: pg.Client, migrations: readonly Migration[]): Promise<Migration[]> {
  await client.query(`CREATE TABLE IF NOT EXISTS im_migration (
    number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
    applied timestamptz NOT NULL DEFAULT now())`)
  const { rows } = await client.query<Omit<Migration, 'sql'>>(
    'SELECT number, name, checksum FROM im_migration',
  )
  for (const ran of rows) {
    const known = migrations.find(({ number }) => number === ran.number)
    if (known === undefined)
      throw new EngineRefused(
        `The database has migration ${ran.name}, which this release does not know: it is newer`,
        'run the release that it belongs to, or restore a backup of before (docs/operate/backup.md)',
      )
    if (known.checksum !== ran.checksum)
      throw new Error(`Migration ${known.name} has changed since it ran here: add a new one instead.`)
  }
  return migrations.filter(({ number }) => !rows.some((ran) => ran.number === number))
}

async function run(client: pg.Client, { number, name, sql, checksum }: Migration): Promise<void> {
  await client.query('BEGIN')
  try {
    await client.query(sql)
    await client.query({
      text: 'INSERT INTO im_migration (number, name, checksum) VALUES ($1, $2, $3)',
      values: [number, name, checksum],
    })
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw new Error(`Migration ${name} failed: ${(error as Error).message}`, { cause: error })
  }
}

async function runPending(
  client: pg.Client,
  migrations: readonly Migration[],
  log: Logger,
): Promise<string[]> {
  const { rows } = await client.query<{ server_version: string }>('SHOW server_version')
  refuseOld(rows[0]!.server_version)
  await client.query({ text: 'SELECT pg_advisory_lock($1)', values: [lockKey] })
  const pending = await pendingMigrations(client, migrations)
  for (const migration of pending) {
    await run(client, migration)
    log.info({ migration: migration.name }, 'migrated')
  }
  return pending.map(({ name }) => name)
}

/**
 * Runs what has not run yet, each file in a transaction of its own; several processes at once wait for each other.
 * @returns the names of the files that ran now
 * @throws EngineRefused where the server cannot be used as it is, or the database is newer than this release
 * @throws Error where a file fails, or has changed since it ran
 */
export async function migrate(address: Address, log: Logger, folder = migrationsFolder): Promise<string[]> {
  const migrations = await readMigrations(folder)
  let client: pg.Client | undefined
  try {
    client = await connectOrCreate(addressOf(address), log)
    return await runPending(client, migrations, log)
  } catch (error) {
    throw refusalOf(error)
  } finally {
    await client?.end() // gives the lock back too
  }
}

/**
 * Stores with the role what holds in its sessions, where a pooler lets nobody say so at a session's begin. Sessions that
 * the pooler has open do not hear of it: it is restarted, or they age.
 * @param role that the pooler logs in with
 */
export async function storeSessionSettings(address: Address, role: string): Promise<void> {
  const client = await connect(addressOf(address))
  try {
    const { rows } = await client.query<{ name: string }>('SELECT current_database() AS name')
    const place = `${pg.escapeIdentifier(role)} IN DATABASE ${pg.escapeIdentifier(rows[0]!.name)}`
    for (const [name, value] of Object.entries(sessionSettings))
      await client.query(`ALTER ROLE ${place} SET ${name} = ${pg.escapeLiteral(value)}`)
  } finally {
    await client.end()
  }
}
