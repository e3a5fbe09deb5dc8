import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { bigints, byteas, integers, smallints, texts } from '../../../infra/postgres/arrays.js'
import { createPool } from '../../../infra/postgres/pool.js'
import { type FreshDatabase, freshDatabase } from '../../helpers/database.js'
import { silentLog } from '../../helpers/log.js'

let database: FreshDatabase
let pool: pg.Pool

before(async () => {
  database = await freshDatabase()
  pool = createPool(database.url, 1, silentLog)
})

after(async () => {
  await pool.end()
  await database.drop()
})

const arrays = [
  [
    'bigint',
    bigints,
    [0, 1, -1, 2 ** 31, -(2 ** 31) - 1, 2 ** 48 + 7, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, null],
  ],
  ['smallint', smallints, [0, -32_768, 32_767, null]],
  ['integer', integers, [0, -(2 ** 31), 2 ** 31 - 1]],
  ['text', texts, ['', 'a', '🦊 "quoted" \\ {x,y} NULL', 'ü'.repeat(5_000), null]],
  ['bytea', byteas, [Buffer.alloc(0), Buffer.from([0, 255, 92, 0]), Buffer.alloc(32_768, 7)]],
] as const

for (const [type, encode, items] of arrays)
  test(`an array of ${type} arrives in the database as it was`, async () => {
    const encoded = (encode as (items: readonly unknown[]) => Buffer)(items)
    const { rows } = await pool.query<{ item: unknown }>(`SELECT item FROM unnest($1::${type}[]) item`, [
      encoded,
    ])
    assert.deepEqual(
      rows.map(({ item }) => item),
      items,
    )
    const none = await pool.query(`SELECT item FROM unnest($1::${type}[]) item`, [
      (encode as (items: readonly unknown[]) => Buffer)([]),
    ])
    assert.equal(none.rowCount, 0)
  })
