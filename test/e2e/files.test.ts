/** A picture from one client to another, with the files in S3 where it can be had, and the sweep that removes what nobody was sent. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import { noS3Server, type S3Server, startS3Server } from '../helpers/s3-server.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const fileMessage = 7
const large_bytes = 8_000_000

let s3: S3Server | undefined
let system: System
let crowd: Crowd
let folder: string
before(async () => {
  // Where there is none, a folder.
  s3 = noS3Server ? undefined : await startS3Server()
  const sweep = { FILE_UPLOAD_TIMEOUT_MS: '15000', FILE_UNUSED_MS: '15000', FILE_SWEEP_CRON: '* * * * * *' }
  folder = mkdtempSync(join(tmpdir(), 'coffeechat-uploads-'))
  system = await startSystem({ env: { FILE_DIR: folder, ...s3?.settings, ...sweep } })
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
  await s3?.close()
  rmSync(folder, { recursive: true })
})

const at = (path: string) => `http://127.0.0.1:${system.http}${path}`
const get = (path: string, { token }: User, headers = {}) =>
  fetch(at(path), { headers: { authorization: `Bearer ${token}`, ...headers } })

async function upload(bytes: Buffer, { token }: User) {
  const form = new FormData()
  form.append('file', new Blob([bytes]), 'large.bin')
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(at('/v1/files'), { method: 'POST', headers, body: form })
  assert.equal(response.status, 201)
  return (await response.json()) as { file_id: string; url: string; size: number }
}

test('a file goes from one client to another by a message that names it, and to nobody else', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const stranger = await crowd.newUser()
  const bytes = randomBytes(large_bytes)
  const file = await upload(bytes, ada)
  assert.equal((await get(file.url, bo)).status, 404)
  const msg_id = adas.send(bo.user_id, JSON.stringify(file), { msg_type: fileMessage })
  const { msg_data } = await bos.received(msg_id)
  const { url } = JSON.parse(Buffer.from(msg_data).toString()) as typeof file
  assert.ok(Buffer.from(await (await get(url, bo)).arrayBuffer()).equals(bytes))
  const range = { range: `bytes=${large_bytes - 10}-` }
  assert.deepEqual(Buffer.from(await (await get(url, bo, range)).arrayBuffer()), bytes.subarray(-10))
  assert.equal((await get(url, stranger)).status, 404)
})

test('what no message names is gone after a while; what one names stays', async () => {
  const { ada, bo, adas } = await crowd.pair()
  const [named, unnamed] = [await upload(randomBytes(10), ada), await upload(randomBytes(10), ada)]
  await adas.say(bo.user_id, `look: ${at(named.url)}`)
  await conditionHolds('it is gone', async () => (await get(unnamed.url, ada)).status === 404, 60_000)
  assert.equal((await get(named.url, bo)).status, 200)
})
