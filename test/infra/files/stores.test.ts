/** Both file stores do the same: the folder, and S3 on a server that speaks it. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { createFolderStore } from '../../../infra/files/folder.js'
import { createFileStore } from '../../../infra/files/store.js'
import { ConfigError, readConfig } from '../../../schemas/config.js'
import { thumbnailOf } from '../../../schemas/files.js'
import { noS3Server, startS3Server } from '../../helpers/s3-server.js'

const folder = mkdtempSync(join(tmpdir(), 'coffeechat-folder-'))
const server = noS3Server ? undefined : await startS3Server()
const s3 = server && (await createFileStore(readConfig(server.settings)))
const stores = { folder: createFolderStore(folder), S3: s3 }
after(async () => {
  for (const store of Object.values(stores)) store?.close()
  await server?.close()
  rmSync(folder, { recursive: true })
})

const newFileId = () => randomBytes(16).toString('hex')

/** In the pieces that a network brings. */
const streamOf = (bytes: Buffer, failing?: Error) =>
  Readable.from(
    (async function* () {
      for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
      if (failing) throw failing
    })(),
    { objectMode: false },
  )

if (noS3Server) test('S3', { skip: noS3Server }, () => {})

for (const [kind, store] of Object.entries(stores)) {
  if (store === undefined) continue
  const read = async (...asked: Parameters<typeof store.read>) => buffer((await store.read(...asked))!)

  test(`${kind}: what was written is read whole or in part, small or in many parts`, async () => {
    for (const bytes of [Buffer.from('x'), randomBytes(12_000_000)]) {
      const id = newFileId()
      await store.write(id, streamOf(bytes))
      assert.ok((await read(id)).equals(bytes))
      const range = { start: 0, end: 0 }
      assert.ok((await read(id, range)).equals(bytes.subarray(0, 1)))
      if (bytes.length > 1)
        assert.ok(
          (await read(id, { start: 6_000_000, end: 6_000_099 })).equals(bytes.subarray(6_000_000, 6_000_100)),
        )
    }
  })

  test(`${kind}: what was never written, or was removed with its thumbnail, is missing`, async () => {
    const id = newFileId()
    assert.equal(await store.read(id), undefined)
    await store.write(id, streamOf(Buffer.from('large')))
    await store.write(thumbnailOf(id), streamOf(Buffer.from('small')))
    await store.remove([id, newFileId()])
    for (const name of [id, thumbnailOf(id)]) assert.equal(await store.read(name), undefined)
    await store.remove([id])
  })

  test(`${kind}: a stream that breaks leaves nothing, and says why`, async () => {
    for (const size of [100, 7_000_000]) {
      const id = newFileId()
      const reason = new Error('the client is gone')
      await assert.rejects(store.write(id, streamOf(randomBytes(size), reason)))
      assert.equal(await store.read(id), undefined)
    }
  })
}

test('a folder holds no half-written file', () => {
  const names = readdirSync(folder, { recursive: true }).map(String)
  assert.ok(names.length > 0)
  assert.deepEqual(
    names.filter((name) => name.endsWith('.part')),
    [],
  )
})

test('S3 with a wrong secret, or out of reach, is an error and no missing file', {
  skip: noS3Server,
}, async () => {
  const settings = server!.settings
  const wrong = { ...settings, S3_SECRET_ACCESS_KEY: 'wrong' }
  const away = { ...settings, S3_ENDPOINT: 'http://127.0.0.1:9' }
  for (const each of [wrong, away]) {
    const store = await createFileStore(readConfig(each))
    const id = newFileId()
    await assert.rejects(store.write(id, streamOf(Buffer.from('x'))))
    await assert.rejects(store.read(id))
    await assert.rejects(store.remove([id]))
    store.close()
  }
})

const faults: [NodeJS.ProcessEnv, RegExp][] = [
  [{ FILE_STORE: 's3' }, /FILE_STORE=s3 needs S3_BUCKET/],
  [{ S3_ACCESS_KEY_ID: 'a' }, /S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY go together/],
  [{ FILE_STORE: 'ftp' }, /FILE_STORE=ftp/],
  [{ FILE_UNUSED_MS: '60000' }, /FILE_UNUSED_MS is below FILE_UPLOAD_TIMEOUT_MS/],
  [{ FILE_MAX_BYTES: '0' }, /FILE_MAX_BYTES=0/],
  [{ FILE_TYPES: 'pictures' }, /FILE_TYPES=pictures: like image/],
  [{ S3_ENDPOINT: 'minio:9000' }, /S3_ENDPOINT/],
]
for (const [env, message] of faults)
  test(`${JSON.stringify(env)} is refused by name`, () => {
    assert.throws(
      () => readConfig(env),
      (error) => error instanceof ConfigError && message.test(error.message),
    )
  })
