/** What becomes of an upload when the gate stops. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { conditionHolds } from '../../helpers/wait.js'
import { openRest } from './rest.js'

const rest = await openRest()
const token = await rest.register(1)
await rest.api.listen({ port: 0, host: '127.0.0.1' })
const { port } = rest.api.server.address() as AddressInfo

test('an upload that is still coming is answered with 503, and leaves nothing', async () => {
  const boundary = 'boundary'
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': `multipart/form-data; boundary=${boundary}`,
    'content-length': 150_000,
  }
  const uploading = request({ host: '127.0.0.1', port, method: 'POST', path: '/v1/files', headers })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    uploading.once('response', resolve)
    uploading.once('error', reject)
  })
  uploading.write(`--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.bin"\r\n\r\n`)
  uploading.write(Buffer.alloc(100_000, 7))
  const files = () =>
    readdirSync(rest.filesFolder, { recursive: true }).filter((name) => String(name).includes('/'))
  await conditionHolds('it is being stored', () => files().length > 0)

  const closed = rest.api.close()
  const answer = await answered
  const { error } = JSON.parse(Buffer.concat(await answer.toArray()).toString())
  assert.deepEqual([answer.statusCode, answer.headers.connection, error.code], [503, 'close', 'SERVER_BUSY'])
  assert.match(error.message, /upload it again/)
  await closed
  await conditionHolds('nothing of it stays', () => files().length === 0)
})
