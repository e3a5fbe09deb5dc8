/** The rows of a stored message by bulk insert with COMMIT: what no store on this disk can beat. */
import pg from 'pg'
import { type Spread, spreadOf } from './journal.js'

const rowsOfBatch = 100
const body = Buffer.alloc(100, '.')

const tables = `
CREATE TABLE sent (from_user_id bigint, msg_id text, number bigint, body bytea, UNIQUE (from_user_id, msg_id));
CREATE TABLE received (to_user_id bigint, from_user_id bigint, number bigint, body bytea,
  PRIMARY KEY (to_user_id, from_user_id, number))`

const insert = `
WITH batch AS (SELECT $1::bigint + i AS number, $1::bigint % 50 AS pair FROM generate_series(1, $2::int) i),
sent AS (INSERT INTO sent SELECT pair, gen_random_uuid()::text, number, $3 FROM batch)
INSERT INTO received SELECT pair + 100, pair, number, $3 FROM batch`

export interface BulkFigures {
  /** Messages a second: a row of the sender and one of the receiver each. */
  readonly perSecond: number
  /** Of one batch with its COMMIT, ms. */
  readonly batch: Spread
  readonly batchSize: number
}

/** Inserts batches one after the other, in a database of its own. @param url of a role that may make one */
export async function insertInBulk(url: string, seconds: number): Promise<BulkFigures> {
  const name = `bench_rows_${Date.now()}`
  const boss = new pg.Client({ connectionString: url })
  await boss.connect()
  await boss.query(`CREATE DATABASE ${name}`)
  const own = new URL(url)
  own.pathname = `/${name}`
  const client = new pg.Client({ connectionString: own.href })
  await client.connect()
  try {
    await client.query(tables)
    const times: number[] = []
    const begin = performance.now()
    for (let now = begin; now < begin + seconds * 1000; ) {
      await client.query({
        name: 'insert',
        text: insert,
        values: [times.length * rowsOfBatch, rowsOfBatch, body],
      })
      times.push(performance.now() - now)
      now = performance.now()
    }
    const took_ms = performance.now() - begin
    return {
      perSecond: (times.length * rowsOfBatch * 1000) / took_ms,
      batch: spreadOf(times),
      batchSize: rowsOfBatch,
    }
  } finally {
    await client.end()
    await boss.query(`DROP DATABASE ${name}`)
    await boss.end()
  }
}
