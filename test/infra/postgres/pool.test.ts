import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { isEventFault, isUniqueViolation } from '../../../infra/postgres/errors.js'
import { createPool, inTransaction, prepared } from '../../../infra/postgres/pool.js'
import { type FreshDatabase, freshDatabase } from '../../helpers/database.js'

const log = { debug() {}, info() {}, warn() {}, error() {} }

let database: FreshDatabase
let pool: pg.Pool
before(async () => {
  database = await freshDatabase()
  pool = createPool(database.url, 2, log)
})
after(async () => {
  await pool.end()
  await database.drop()
})

const only = async (sql: string) => {
  const { rows } = await pool.query<{ value: unknown }>(`SELECT ${sql} AS value`)
  return rows[0]?.value
}
const errorOf = (sql: string) =>
  pool.query(sql).then(
    () => assert.fail('it succeeded'),
    (error: unknown) => error,
  )

test('bigints are numbers, alone and in arrays', async () => {
  assert.equal(await only('9007199254740991::bigint'), Number.MAX_SAFE_INTEGER)
  assert.deepEqual(await only('ARRAY[1, NULL, 281474976710656]::bigint[]'), [1, null, 2 ** 48])
  assert.deepEqual(await only("'{}'::bigint[]"), [])
})

test('a bigint of 2^53 or more is an error, never a rounded number', async () => {
  await assert.rejects(only('9007199254740993::bigint'), RangeError)
})

test('values and constraints are the event’s fault, everything else is the world’s', async () => {
  assert.equal(isEventFault(await errorOf("SELECT 'x'::int")), true)
  assert.equal(isEventFault(await errorOf('INSERT INTO im_user VALUES (0)')), true)
  assert.equal(isEventFault(await errorOf('SELECT pg_terminate_backend(pg_backend_pid())')), false)
  assert.equal(isEventFault(await errorOf('SELECT * FROM nowhere')), false)
  assert.equal(isEventFault(new Error('connection timeout')), false)
  assert.equal(isEventFault(Object.assign(new Error(), { code: 'ECONNREFUSED' })), false)
})

test('a unique violation is told from other errors', async () => {
  await pool.query('INSERT INTO im_conversation VALUES ($1)', ['c:1:2'])
  const error = await pool
    .query('INSERT INTO im_conversation VALUES ($1)', ['c:1:2'])
    .catch((e: unknown) => e)
  assert.equal(isUniqueViolation(error), true)
  assert.equal(isUniqueViolation(await errorOf("SELECT 'x'::int")), false)
})

test('what a transaction did is gone when its work throws', async () => {
  const insert = prepared('test-insert', 'INSERT INTO im_conversation VALUES ($1)')
  const failed = inTransaction(pool, async (client) => {
    await insert(client, ['c:3:4'])
    throw new Error('changed my mind')
  })
  await assert.rejects(failed, /changed my mind/)
  assert.equal(await only("(SELECT count(*) FROM im_conversation WHERE conversation = 'c:3:4')"), 0)
})

test('a connection that the server ends between queries is replaced', async () => {
  const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  await errorOf('SELECT pg_terminate_backend(pg_backend_pid())')
  assert.notEqual(await only('pg_backend_pid()'), rows[0]?.pid)
})
