/** A database of one's own per test file, copied from a template that is migrated once per schema. */
import { createHash, randomBytes } from 'node:crypto'
import pg from 'pg'
import { migrate, readMigrations } from '../../infra/postgres/migrate.js'
import type { Logger } from '../../schemas/log.js'

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }
const lockKey = 4_736_021_991

export interface FreshDatabase {
  readonly url: string
  /** Also where somebody is still connected. */
  drop(): Promise<void>
}

/** The URL of another database on the same server. */
const withName = (url: string, database: string): string => {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}

async function withServer<Result>(
  url: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({ connectionString: withName(url, 'postgres') })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Made under a lock, because several test files start at once; named after what is in it. */
async function ensureTemplate(client: pg.Client, url: string): Promise<string> {
  const checksums = (await readMigrations()).map(({ checksum }) => checksum).join()
  const template = `im_template_${createHash('sha256').update(checksums).digest('hex').slice(0, 16)}`
  await client.query({ text: 'SELECT pg_advisory_lock($1)', values: [lockKey] })
  const { rowCount } = await client.query({
    text: 'SELECT FROM pg_database WHERE datname = $1',
    values: [template],
  })
  if (rowCount === 0) {
    // Under its name only when it is whole: the run before may have been killed in between.
    const unfinished = `${template}_unfinished`
    await client.query(`DROP DATABASE IF EXISTS ${unfinished} WITH (FORCE)`)
    await migrate(withName(url, unfinished), silent)
    await client.query(`ALTER DATABASE ${unfinished} RENAME TO ${template}`)
  }
  await client.query({ text: 'SELECT pg_advisory_unlock($1)', values: [lockKey] })
  return template
}

/**
 * A migrated, empty database.
 * @param tablespace of the server, where it lies
 * @throws Error where TEST_DATABASE_URL is not set: `npm test` sets it
 */
export async function freshDatabase(tablespace = 'pg_default'): Promise<FreshDatabase> {
  const url = process.env.TEST_DATABASE_URL
  if (!url) throw new Error('TEST_DATABASE_URL is not set: run npm test')
  const name = `im_test_${process.pid}_${randomBytes(4).toString('hex')}`
  await withServer(url, async (client) => {
    const template = await ensureTemplate(client, url)
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template} TABLESPACE ${tablespace}`)
  })
  return {
    url: withName(url, name),
    drop: () =>
      withServer(url, async (client) => {
        await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      }),
  }
}
