/** What one user may upload is reserved at the begin of each upload, on the real PostgreSQL. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, test } from 'node:test'
import type pg from 'pg'
import { createFileChanges } from '../../../infra/postgres/files.js'
import { createPool } from '../../../infra/postgres/pool.js'
import type { FileChanges, Reserved } from '../../../workers/ports/files.js'
import { freshDatabase } from '../../helpers/database.js'
import { silentLog } from '../../helpers/log.js'

const longest_ms = 600_000
const slack_ms = 60_000
const day_ms = 86_400_000
const now = 1_700_000_000_000

let pool: pg.Pool
let drop: () => Promise<void>
let files: FileChanges
before(async () => {
  const database = await freshDatabase()
  pool = createPool(database.url, 8, silentLog)
  drop = database.drop
  files = createFileChanges(pool, { dailyBytes: 1_000, longest_ms })
  await pool.query(`INSERT INTO im_user (user_id, nick_name, active, created, updated)
    VALUES (1, 'ada', true, 0, 0), (2, 'bo', true, 0, 0), (3, 'gone', false, 0, 0)`)
})
beforeEach(() => pool.query('DELETE FROM im_file'))
after(async () => {
  await pool.end()
  await drop()
})

interface Asked {
  readonly size?: number
  readonly user_id?: number
  readonly key?: string
  readonly time?: number
  readonly file_id?: string
}
const newFileId = () => randomBytes(16).toString('hex')
const reserve = ({ key, user_id = 1, time = now, size = 400, file_id = newFileId() }: Asked = {}) =>
  files.reserve({ file_id, user_id, key, size, time })
const idOf = (reserved: Reserved): string => {
  assert.ok(typeof reserved === 'object', String(reserved))
  return reserved.file_id
}
const described = { name: null, mime: 'a/b', width: null, height: null, has_thumbnail: false }
const keep = (file_id: string, size: number, time = now) =>
  files.keep({ file_id, user_id: 1, size, ...described }, time)

test('of many at the same moment no more are let through than fit', async () => {
  const all = await Promise.all(Array.from({ length: 30 }, () => reserve({ size: 90 })))
  assert.equal(all.filter((each) => typeof each === 'object').length, 11)
  assert.equal(all.filter((each) => each === 'quota-used').length, 19)
  assert.equal(typeof (await reserve({ user_id: 2 })), 'object', 'nobody else is meant')
})

test('what fails is free again, once, however often that is said; what is stored is not', async () => {
  const [a, b] = [idOf(await reserve()), idOf(await reserve())]
  assert.equal(await reserve(), 'quota-used')
  await files.release({ file_id: a, user_id: 2 })
  assert.equal(await reserve(), 'quota-used', 'not by somebody else')
  await files.release({ file_id: a, user_id: 1 })
  await files.release({ file_id: a, user_id: 1 })
  await keep(b, 400)
  await files.release({ file_id: b, user_id: 1 })
  idOf(await reserve())
  assert.equal(await reserve(), 'quota-used')
})

test('stored, a file counts with the size that it has', async () => {
  await keep(idOf(await reserve({ size: 900 })), 100)
  idOf(await reserve({ size: 900 }))
  assert.equal(await reserve({ size: 1 }), 'quota-used')
})

test('what a gate left that died counts for as long as an upload may take', async () => {
  await reserve({ size: 1_000, time: now - longest_ms - slack_ms + 1 })
  assert.equal(await reserve(), 'quota-used')
  await pool.query('UPDATE im_file SET created = created - 1')
  idOf(await reserve())
})

test('what was stored counts for 24 hours', async () => {
  await keep(idOf(await reserve({ size: 1_000, time: now - day_ms })), 1_000, now - day_ms + 1)
  assert.equal(await reserve(), 'quota-used')
  await pool.query('UPDATE im_file SET created = created - 1')
  idOf(await reserve())
})

test('the same call once more, and a repeat under its key, take the same place', async () => {
  const first = await reserve({ key: 'k', size: 600 })
  const file_id = idOf(first)
  assert.deepEqual(await reserve({ key: 'k', size: 600, file_id }), first)
  assert.deepEqual(await reserve({ key: 'k', size: 600 }), first)
  assert.equal(await reserve({ size: 600 }), 'quota-used')
  await files.release({ file_id, user_id: 1 })
  assert.equal(await reserve({ size: 600 }), 'quota-used', 'its repeat is under way')
  await files.release({ file_id, user_id: 1 })
  const other = idOf(await reserve({ size: 600 }))
  assert.equal(await reserve({ key: 'k', size: 600 }), 'quota-used', 'its place was taken meanwhile')
  await files.release({ file_id: other, user_id: 1 })
  assert.deepEqual(await reserve({ key: 'k', size: 600 }), first)
  const kept = await keep(file_id, 600)
  assert.deepEqual(await reserve({ key: 'k', size: 600 }), { file_id, file: kept })
})

test('who is not there or deactivated uploads nothing', async () => {
  for (const user_id of [3, 4]) assert.equal(await reserve({ user_id }), 'no-such-user')
})
