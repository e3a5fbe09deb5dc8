import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { dumpSchema, schemaFile } from '../../../infra/postgres/dump.js'
import { migrate, readMigrations } from '../../../infra/postgres/migrate.js'
import { type FreshDatabase, freshDatabase } from '../../helpers/database.js'

const log = { debug() {}, info() {}, warn() {}, error() {} }

let database: FreshDatabase
let client: pg.Client
let folder: string
before(async () => {
  database = await freshDatabase()
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
  folder = await mkdtemp(join(tmpdir(), 'migrations-'))
})
after(async () => {
  await client.end()
  await database.drop()
  await rm(folder, { recursive: true })
})

const write = (name: string, sql: string) => writeFile(join(folder, name), sql)
/** A database that does not exist yet. */
const elsewhere = () => {
  const url = new URL(database.url)
  url.pathname = `/im_test_${randomBytes(4).toString('hex')}`
  return url
}
const drop = (url: URL) => client.query(`DROP DATABASE ${url.pathname.slice(1)}`)

test('the committed dump is the schema that the migrations make', async () => {
  assert.equal(await dumpSchema(client), await readFile(schemaFile, 'utf8'), 'run npm run schema')
})

test('migrations are numbered 1, 2, 3 … without a gap or a double', async () => {
  const numbers = (await readMigrations()).map(({ number }) => number)
  assert.deepEqual(
    numbers,
    numbers.map((_, at) => at + 1),
  )
})

test('a database that is missing is created, by several processes at once, and each file runs once', async () => {
  const url = elsewhere()
  const ran = await Promise.all([1, 2, 3].map(() => migrate(url.href, log)))
  const names = (await readMigrations()).map(({ name }) => name)
  assert.deepEqual(ran.flat().sort(), names)
  assert.deepEqual(await migrate(url.href, log), [])
  await drop(url)
})

test('a file that fails leaves nothing behind, and the files before it stay', async () => {
  const url = elsewhere()
  await write('0001_first.sql', 'CREATE TABLE first (id int)')
  await write('0002_second.sql', 'CREATE TABLE second (id int); SELECT 1 / 0')
  await assert.rejects(migrate(url.href, log, folder), /0002_second\.sql failed: division by zero/)
  await write('0002_second.sql', 'CREATE TABLE second (id int)')
  assert.deepEqual(await migrate(url.href, log, folder), ['0002_second.sql'])
  await drop(url)
})

test('a file that changed after it ran is refused', async () => {
  const url = elsewhere()
  await write('0001_first.sql', 'CREATE TABLE first (id int)')
  await write('0002_second.sql', '')
  await migrate(url.href, log, folder)
  await write('0001_first.sql', 'CREATE TABLE first (id bigint)')
  await assert.rejects(migrate(url.href, log, folder), /0001_first\.sql has changed/)
  await drop(url)
})

test('a database with a migration that this release does not know is refused', async () => {
  const url = elsewhere()
  await write('0001_first.sql', '')
  await write('0002_second.sql', '')
  await migrate(url.href, log, folder)
  await rm(join(folder, '0002_second.sql'))
  await assert.rejects(migrate(url.href, log, folder), /it is newer/)
  await drop(url)
})
