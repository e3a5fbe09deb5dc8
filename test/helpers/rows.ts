/** What the database holds, read beside the system. */
import pg from 'pg'

/** The rows of one query, on a connection of its own. */
export async function rowsOf<Row extends pg.QueryResultRow>(
  databaseUrl: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return (await client.query<Row>({ text, values: [...values] })).rows
  } finally {
    await client.end()
  }
}
