/** Files that no message names are removed, on the real PostgreSQL and a folder. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import type { FileStore } from '../../gateway/ports.js'
import { createFolderStore } from '../../infra/files/folder.js'
import {
  createFileChanges,
  createFileDirectory,
  createFileMentions,
  createUnusedFiles,
} from '../../infra/postgres/files.js'
import { createPool } from '../../infra/postgres/pool.js'
import { sweepFiles } from '../../workers/file-sweep.js'
import { freshDatabase } from '../helpers/database.js'
import { silentLog } from '../helpers/log.js'

const day_ms = 86_400_000
const newFileId = () => randomBytes(16).toString('hex')
let pool: pg.Pool
let store: FileStore
let close: () => Promise<void>

before(async () => {
  const database = await freshDatabase()
  pool = createPool(database.url, 4, silentLog)
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-sweep-'))
  store = createFolderStore(folder)
  await pool.query(`INSERT INTO im_user (user_id, nick_name, created, updated)
    SELECT n, 'user ' || n, 0, 0 FROM generate_series(1, 3) n`)
  close = async () => {
    await pool.end()
    await database.drop()
    rmSync(folder, { recursive: true })
  }
})
after(() => close())

const sweep = (given: Pick<FileStore, 'remove'> = store) =>
  sweepFiles({
    unused: createUnusedFiles(pool),
    store: { remove: given.remove, close() {} },
    locks: {
      async once(_name, _limit, work) {
        await work()
        return true
      },
    },
    config: { FILE_UNUSED_MS: day_ms, FILE_SWEEP_CRON: '' },
    log: silentLog,
  })

/** A file of user 1, this old. */
async function uploaded(age_ms: number): Promise<string> {
  const file_id = newFileId()
  const changes = createFileChanges(pool, { dailyBytes: 1_000_000, longest_ms: 60_000 })
  await changes.reserve({ file_id, user_id: 1, key: undefined, time: Date.now() - age_ms })
  await store.write(file_id, Readable.from([Buffer.from('bytes')], { objectMode: false }))
  const described = {
    name: null,
    mime: 'image/png',
    size: 5,
    width: null,
    height: null,
    has_thumbnail: false,
  }
  await changes.keep({ file_id, user_id: 1, ...described }, Date.now() - age_ms)
  return file_id
}

const named = (file_id: string, from_user_id: number, to_session_id: number) =>
  createFileMentions(pool).record([{ file_id, from_user_id, to_session_id, server_msg_id: 1 }])

async function isThere(file_id: string): Promise<boolean[]> {
  const [found] = await createFileDirectory(pool).look([{ file_id }])
  const bytes = await store.read(file_id)
  bytes?.destroy()
  return [found !== undefined, bytes !== undefined]
}

test('an old file that no message passes on is removed; a young one and a named one stay', async () => {
  const [old, young, passed, claimed] = [
    await uploaded(2 * day_ms),
    await uploaded(0),
    await uploaded(2 * day_ms),
    await uploaded(2 * day_ms),
  ]
  await named(passed, 1, 2)
  await named(claimed, 3, 2) // by who cannot see it
  await sweep()
  assert.deepEqual(await isThere(old), [false, false])
  assert.deepEqual(await isThere(young), [true, true])
  assert.deepEqual(await isThere(passed), [true, true])
  assert.deepEqual(await isThere(claimed), [false, false])
})

test('an upload that never ended is forgotten, with what it left', async () => {
  const file_id = newFileId()
  await createFileChanges(pool, { dailyBytes: 1_000_000, longest_ms: 60_000 }).reserve({
    file_id,
    user_id: 1,
    key: 'k',
    time: 1,
  })
  await store.write(file_id, Readable.from([Buffer.from('x')], { objectMode: false }))
  await sweep()
  assert.deepEqual(await isThere(file_id), [false, false])
  assert.equal((await pool.query('SELECT FROM im_file WHERE file_id = $1', [file_id])).rowCount, 0)
})

test('a sweep that died between its steps is finished by the next; the file is not seen or named in between', async () => {
  const file_id = await uploaded(2 * day_ms)
  await assert.rejects(sweep({ remove: async () => Promise.reject(new Error('the store is away')) }))
  assert.deepEqual(await isThere(file_id), [false, true])
  await named(file_id, 1, 2)
  await sweep()
  assert.deepEqual(await isThere(file_id), [false, false])
})

test('a mention stays as it was judged, also when it is told again', async () => {
  const file_id = await uploaded(0)
  const seenBy2 = async () =>
    (await createFileDirectory(pool).look([{ file_id, user_id: 2 }]))[0] !== undefined
  await named(file_id, 3, 2)
  await named(file_id, 1, 3)
  await named(file_id, 3, 2)
  assert.equal(await seenBy2(), false)
  await createFileMentions(pool).record([
    { file_id, from_user_id: 3, to_session_id: 2, server_msg_id: 2 },
    { file_id: newFileId(), from_user_id: 1, to_session_id: 2, server_msg_id: 3 },
  ])
  assert.equal(await seenBy2(), true)
})
