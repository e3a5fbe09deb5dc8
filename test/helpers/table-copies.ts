/** Every table as PostgreSQL's COPY writes it, put into another database, and compared. */
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'

/** Of what is in a table, by its name; of a sequence, where it is. */
type Contents = Readonly<Record<string, string>>

export interface TableCopies {
  readonly folder: string
  readonly tables: readonly string[]
  readonly groupIds: { readonly last_value: string; readonly is_called: boolean }
  readonly contents: Contents
}

const listTables = `SELECT c.relname AS name FROM pg_class c
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
     AND c.relname <> 'im_migration' ORDER BY 1`

async function connected<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

async function tablesOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(listTables)
  return rows.map(({ name }) => name)
}

async function contentsOf(client: pg.Client): Promise<Contents> {
  const contents: Record<string, string> = {}
  for (const table of await tablesOf(client)) {
    const { rows } = await client.query<{ count: string; digest: string }>(
      `SELECT count(*), coalesce(md5(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE "C")), '') AS digest
         FROM ${table} t`,
    )
    contents[table] = `${rows[0]?.count} rows ${rows[0]?.digest}`
  }
  return contents
}

/** What each table holds. */
export const readContents = (url: string): Promise<Contents> => connected(url, contentsOf)

/** Writes every table to a folder that the server may write to, as of one moment. Who asks for it removes it. */
export const copyOut = (url: string): Promise<TableCopies> =>
  connected(url, async (client) => {
    const folder = mkdtempSync(join(tmpdir(), 'coffeechat-copies-'))
    chmodSync(folder, 0o777) // the server may run as another user
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    const tables = await tablesOf(client)
    for (const table of tables)
      await client.query(`COPY (SELECT * FROM ${table}) TO '${join(folder, table)}' (FORMAT binary)`)
    const contents = await contentsOf(client)
    const { rows } = await client.query('SELECT last_value, is_called FROM im_group_id')
    await client.query('COMMIT')
    return { folder, tables, groupIds: rows[0], contents }
  })

/** Puts the copies in the place of what is in these tables. */
export const copyIn = (url: string, { folder, tables, groupIds }: TableCopies): Promise<void> =>
  connected(url, async (client) => {
    await client.query('BEGIN')
    await client.query(`TRUNCATE ${tables.join(', ')}`)
    for (const table of tables)
      await client.query(`COPY ${table} FROM '${join(folder, table)}' (FORMAT binary)`)
    await client.query({
      text: "SELECT setval('im_group_id', $1, $2)",
      values: [groupIds.last_value, groupIds.is_called],
    })
    await client.query('COMMIT')
  })
