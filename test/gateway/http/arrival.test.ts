import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import fastify, { type FastifyInstance } from 'fastify'
import { limitArrival } from '../../../gateway/http/arrival.js'
import { conditionHolds } from '../../helpers/wait.js'

const body_ms = 100
let api: FastifyInstance
let refused = 0
before(async () => {
  api = fastify()
  limitArrival(api, body_ms, (_error, socket) => {
    refused++
    socket.destroy()
  })
  api.post('/short', async ({ body }) => body)
  api.post('/long', { config: { upload: true } }, async ({ body }) => body)
  await api.listen({ host: '127.0.0.1', port: 0 })
})
after(() => api.close())

const head = (path: string) =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 6\r\nconnection: close\r\n\r\n`

/** What comes back where a body of six bytes is cut in two, with a pause of three times the limit in between. */
async function sentInTwo(path: string): Promise<string> {
  const socket = connect((api.server.address() as { port: number }).port, '127.0.0.1')
  let answer = ''
  socket.setEncoding('utf8').on('data', (text) => {
    answer += text
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.write(`${head(path)}"12`)
  const pause = setTimeout(() => socket.write('34"'), 3 * body_ms)
  await closed
  clearTimeout(pause)
  return answer
}

test('a body that does not arrive in time ends its connection, and an upload takes longer', async () => {
  assert.equal(await sentInTwo('/short'), '')
  await conditionHolds('it was refused', () => refused === 1)
  assert.match(await sentInTwo('/long'), /^HTTP\/1\.1 200 .*1234$/s)
  assert.equal(refused, 1)
})

test('a request that is whole is left alone', async () => {
  const { port } = api.server.address() as { port: number }
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`http://127.0.0.1:${port}/short`, { method: 'POST', headers, body: '"1234"' })
  assert.equal(answer.status, 200)
  await new Promise((resolve) => setTimeout(resolve, 2 * body_ms))
  assert.equal(refused, 1)
})
