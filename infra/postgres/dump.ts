/**
 * The schema as text, from the system catalogue, sorted: the same schema gives the same text whatever made it.
 * `npm run schema -- <url>` writes infra/postgres/schema.sql; a test compares.
 */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { migrate } from './migrate.js'

/** The committed dump. */
export const schemaFile = join(import.meta.dirname, '../../../infra/postgres/schema.sql')

const tables = `
  SELECT c.oid, c.relname AS name, pg_get_partkeydef(c.oid) AS partitioned_by,
         pg_get_expr(c.relpartbound, c.oid) AS bounds, p.relname AS parent,
         array_to_string(c.reloptions, ', ') AS options
    FROM pg_class c
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    LEFT JOIN pg_class p ON p.oid = i.inhparent
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'im_migration'
   ORDER BY c.relname COLLATE "C"`

const columns = `
  SELECT a.attrelid AS oid, format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod))
         || CASE WHEN a.attcollation <> t.typcollation THEN format(' COLLATE %I', l.collname) ELSE '' END
         || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
         || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') AS line
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE a.attnum > 0 AND NOT a.attisdropped
   ORDER BY a.attrelid, a.attnum`

// NOT NULL stands with the column: only some versions list it as a constraint too.
const constraints = `
  SELECT conrelid AS oid, format('CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)) AS line
    FROM pg_constraint
   WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND contype <> 'n'
   ORDER BY conname COLLATE "C"`

const others = `
  SELECT line FROM (
  SELECT indexdef || ';' AS line FROM pg_indexes
   WHERE schemaname = 'public' AND tablename <> 'im_migration'
     AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname AND connamespace = 'public'::regnamespace)
   UNION ALL
  SELECT format('CREATE SEQUENCE %I;', sequencename) FROM pg_sequences WHERE schemaname = 'public'
   UNION ALL
  SELECT pg_get_viewdef(oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
   UNION ALL
  SELECT pg_get_triggerdef(t.oid) || ';' FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid AND c.relnamespace = 'public'::regnamespace
   WHERE NOT t.tgisinternal
  ) each
   ORDER BY line COLLATE "C"`

const functions = `
  SELECT rtrim(pg_get_functiondef(oid)) || ';' AS line FROM pg_proc
   WHERE pronamespace = 'public'::regnamespace AND prokind IN ('f', 'p')
   ORDER BY proname COLLATE "C", pg_get_function_identity_arguments(oid) COLLATE "C"`

interface Table {
  readonly oid: number
  readonly name: string
  readonly partitioned_by: string | null
  readonly bounds: string | null
  readonly parent: string | null
  readonly options: string | null
}
interface Line {
  readonly oid: number
  readonly line: string
}

function renderTable(table: Table, lines: readonly string[]): string {
  const options = table.options === null ? '' : ` WITH (${table.options})`
  // A partition has its parent's columns and constraints.
  if (table.parent !== null)
    return `CREATE TABLE ${table.name} PARTITION OF ${table.parent} ${table.bounds}${options};`
  const partitioned = table.partitioned_by === null ? '' : ` PARTITION BY ${table.partitioned_by}`
  return `CREATE TABLE ${table.name} (\n  ${lines.join(',\n  ')}\n)${partitioned}${options};`
}

/** The schema `public` of a migrated database, without the list of migrations. */
export async function dumpSchema(client: pg.Client): Promise<string> {
  const read = async <Row extends pg.QueryResultRow>(text: string) => (await client.query<Row>(text)).rows
  const tableRows = await read<Table>(tables)
  const columnRows = await read<Line>(columns)
  const constraintRows = await read<Line>(constraints)
  const parts = [
    ...tableRows.map((table) => {
      const own = [...columnRows, ...constraintRows].filter(({ oid }) => oid === table.oid)
      return renderTable(
        table,
        own.map(({ line }) => line),
      )
    }),
    ...(await read<Line>(others)).map(({ line }) => line),
    ...(await read<Line>(functions)).map(({ line }) => line),
  ]
  return `-- The schema after all migrations. Written by npm run schema; do not edit.\n\n${parts.join('\n\n')}\n`
}

const withClient = async <Result>(url: string, work: (client: pg.Client) => Promise<Result>) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return work(client).finally(() => client.end())
}

/** The dump of a database that is made for it on this server, migrated, and dropped. */
async function dumpOfFreshDatabase(serverUrl: string): Promise<string> {
  const name = `im_schema_${randomBytes(4).toString('hex')}`
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  try {
    await migrate(url.href, { debug() {}, info() {}, warn() {}, error() {} })
    return await withClient(url.href, dumpSchema)
  } finally {
    await withClient(serverUrl, (client) => client.query(`DROP DATABASE IF EXISTS ${name}`))
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , url] = process.argv
  if (url === undefined)
    throw new Error('Usage: npm run schema -- postgres://user:password@host:port/database')
  await writeFile(schemaFile, await dumpOfFreshDatabase(url))
}
