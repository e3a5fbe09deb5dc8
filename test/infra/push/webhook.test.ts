/** The webhook provider against a real HTTP server. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { createWebhookProvider } from '../../../infra/push/webhook.js'
import { notification } from '../../helpers/notification.js'

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

let received: Received | undefined
let reply: (response: ServerResponse) => void = (response) => response.end()
const server = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  received = { headers: request.headers, body: Buffer.concat(chunks).toString('utf8') }
  reply(response)
})
let url: string

before(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/push`
})
after(() => {
  server.closeAllConnections()
  server.close()
})

const address = { provider: 'huawei', token: 'secret token' }
const secret = 'a secret of the receiver'

const send = (timeout_ms = 5_000) =>
  createWebhookProvider({ name: 'huawei', url, secret }).send(notification, address, timeout_ms)

test('a post holds the notification, is signed with its time, and can be told from a new one', async () => {
  reply = (response) => response.writeHead(202).end('whatever')
  assert.deepEqual(await send(), { kind: 'accepted', answer: 'HTTP 202' })
  assert.ok(received)
  const { headers, body } = received
  assert.deepEqual(JSON.parse(body), {
    notification_id: notification.notification_id,
    user_id: '281474976710655',
    client_type: 2,
    device_id: 'my phone',
    provider: 'huawei',
    token: 'secret token',
    title: 'Ann 👋',
    body: 'hello',
    badge: 3,
    collapse_key: 'c:1:2',
    from_user_id: '2',
    session_id: '2',
    msg_id: 'm-1',
    server_msg_id: '9',
    time: notification.time,
    expires: notification.expires,
  })
  const timestamp = headers['x-coffeechat-timestamp']
  const expected = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
  assert.equal(headers['x-coffeechat-signature'], `sha256=${expected}`)
  assert.ok(Math.abs(Number(timestamp) - Date.now() / 1_000) < 60)
  assert.equal(headers['idempotency-key'], notification.notification_id)
  assert.equal(headers['content-type'], 'application/json')
})

for (const [status, answer] of [
  [200, { kind: 'accepted', answer: 'HTTP 200' }],
  [302, { kind: 'refused', answer: 'HTTP 302', tokenIsDead: false }],
  [400, { kind: 'refused', answer: 'HTTP 400', tokenIsDead: false }],
  [410, { kind: 'refused', answer: 'HTTP 410', tokenIsDead: true }],
  [500, { kind: 'unknown', answer: 'HTTP 500' }],
] as const)
  test(`HTTP ${status} is ${answer.kind}`, async () => {
    reply = (response) => response.writeHead(status, { location: url }).end()
    assert.deepEqual(await send(), answer)
  })

test('too many requests is unknown, with the pause that was asked for', async () => {
  reply = (response) => response.writeHead(429, { 'retry-after': '2' }).end()
  assert.deepEqual(await send(), { kind: 'unknown', answer: 'HTTP 429', retryAfter_ms: 2_000 })
  const inAMinute = new Date(Date.now() + 60_000).toUTCString()
  reply = (response) => response.writeHead(503, { 'retry-after': inAMinute }).end()
  const dated = await send()
  assert.ok(dated.kind === 'unknown' && Math.abs((dated.retryAfter_ms ?? 0) - 60_000) < 2_000)
  reply = (response) => response.writeHead(503, { 'retry-after': 'soon' }).end()
  assert.deepEqual(await send(), { kind: 'unknown', answer: 'HTTP 503' })
})

test('no answer in time, a cut connection and a closed port are unknown', async () => {
  reply = () => {}
  assert.deepEqual(await send(50), { kind: 'unknown', answer: 'TimeoutError' })
  reply = (response) => response.socket?.destroy()
  assert.equal((await send()).kind, 'unknown')
  const closed = createWebhookProvider({ name: 'closed', url: 'http://name:password@127.0.0.1:1/' })
  const answer = await closed.send(notification, address, 1_000)
  assert.equal(answer.kind, 'unknown')
  assert.doesNotMatch(answer.answer, /password/)
})
