import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'node:test'
import { openRest } from './rest.js'

const rest = await openRest()
const { call } = rest

test('a call without a key, with a wrong one, or with half of one is a 401', async () => {
  for (const bearer of [null, 'wrong', 'key-of-the-test', 'key-of-the-tests2', ''])
    assert.equal((await call('GET', '/v1/users/1', { bearer })).status, 401)
})

test('each of several keys is good', async () => {
  assert.equal((await call('GET', '/v1/users/1', { bearer: 'another-key' })).status, 404)
})

test('a user token is good for its own user, and not for app servers’ calls', async () => {
  const bearer = await rest.register(1)
  await rest.register(2)
  assert.equal((await call('GET', '/v1/users/1/sessions', { bearer })).status, 200)
  assert.equal((await call('GET', '/v1/users/2/sessions', { bearer })).status, 403)
  assert.equal((await call('GET', '/v1/users/1', { bearer })).status, 403)
  const body = { from_user_id: '2', to_user_id: '1', msg_id: 'm', msg_type: 1, text: 'x' }
  assert.equal((await call('POST', '/v1/messages', { bearer, body })).status, 403)
})

test('after ten wrong keys within a minute an address is told to wait; the right key is served all the same', async () => {
  let last = 0
  for (let n = 0; n < 12; n++) last = (await call('GET', '/v1/users/1', { bearer: 'wrong' })).status
  assert.equal(last, 429)
  assert.ok(Number((await call('GET', '/v1/users/1', { bearer: 'wrong' })).headers['retry-after']) > 0)
  assert.equal((await call('GET', '/v1/users/1')).status, 200)
})

test('a body above the limit is a 413, one that is not JSON a 400, one of another type a 415', async () => {
  const large = { user_id: '5', nick_name: 'x'.repeat(70_000) }
  const oversize = await call('POST', '/v1/users', { body: large })
  assert.deepEqual([oversize.status, oversize.body.error.code], [413, 'TOO_LARGE'])
  const json = { 'content-type': 'application/json' }
  for (const body of ['{', '[1,', Buffer.from([0x22, 0xff, 0x22]), '{"__proto__": {}}', 'null'])
    assert.equal((await call('POST', '/v1/users', { body, headers: json })).status, 400, String(body))
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  assert.equal((await call('POST', '/v1/users', { body: 'a=b', headers: form })).status, 415)
})

test('what there is no call for is a 404 in the same shape', async () => {
  const { status, body } = await call('GET', '/v1/groups')
  assert.deepEqual([status, body.error.code], [404, 'NOT_FOUND'])
})

test('while the bus is away every call is a 503 with Retry-After, and so while the gate is suspended', async () => {
  for (const change of [{ bus: 'away' as const }, { suspended: true }]) {
    Object.assign(rest.world, change)
    const { status, body, headers } = await call('GET', '/v1/users/1')
    assert.deepEqual([status, body.error.code], [503, 'SERVER_BUSY'])
    assert.ok(Number(headers['retry-after']) > 0)
    Object.assign(rest.world, { bus: 'fine', suspended: false })
  }
})

test('a call that no worker answers is a 503 within 10 s', async () => {
  rest.world.bus = 'silent'
  const begun = performance.now()
  const { status } = await call('GET', '/v1/users/1')
  rest.world.bus = 'fine'
  assert.equal(status, 503)
  assert.ok(performance.now() - begun < 10_000)
})

test('health, readiness, figures, gateways and the description need no key', async () => {
  const open = { bearer: null }
  assert.equal((await call('GET', '/healthz', open)).status, 200)
  assert.equal((await call('GET', '/readyz', open)).status, 200)
  assert.match(
    (await call('GET', '/metrics', open)).body,
    /coffeechat_http_responses_total\{.*route="\/healthz"/,
  )
  assert.deepEqual((await call('GET', '/v1/gateways', open)).body, {
    tcp: ['127.0.0.1:8000'],
    tls: [],
    ws: ['ws://127.0.0.1:8080/ws'],
    wss: [],
  })
})

test('figures are for loopback, and not for whom a proxy on loopback speaks', async () => {
  const answer = await rest.api.inject({ url: '/metrics', remoteAddress: '192.0.2.1' })
  assert.equal(answer.statusCode, 404)
  assert.equal((await call('GET', '/metrics', { headers: { 'x-forwarded-for': '192.0.2.1' } })).status, 404)
})

test('readyz names the part that is missing', async () => {
  rest.world.database = false
  // Answers are kept for half a second: wait for the next reading, not for a time.
  let answer = await call('GET', '/readyz', { bearer: null })
  while (answer.status === 200) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    answer = await call('GET', '/readyz', { bearer: null })
  }
  assert.equal(answer.status, 503)
  assert.equal(answer.body.parts.database.ok, false)
  assert.equal(answer.body.parts.bus.ok, true)
})

test('the OpenAPI 3.1 description has every call', async () => {
  const { body } = await call('GET', '/openapi.json', { bearer: null })
  assert.equal(body.openapi, '3.1.0')
  const calls = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  assert.deepEqual(calls.sort(), [
    'DELETE /v1/groups/{group_id}',
    'DELETE /v1/groups/{group_id}/members',
    'DELETE /v1/users/{user_id}',
    'DELETE /v1/users/{user_id}/blocklist/{peer_id}',
    'DELETE /v1/users/{user_id}/friends/{peer_id}',
    'DELETE /v1/users/{user_id}/push-tokens',
    'GET /healthz',
    'GET /readyz',
    'GET /v1/files/{file_id}',
    'GET /v1/files/{file_id}/thumbnail',
    'GET /v1/gateways',
    'GET /v1/groups/{group_id}',
    'GET /v1/groups/{group_id}/joins',
    'GET /v1/groups/{group_id}/members',
    'GET /v1/messages/{from_user_id}/{msg_id}',
    'GET /v1/messages/{from_user_id}/{msg_id}/deliveries',
    'GET /v1/messages/{from_user_id}/{msg_id}/receipts',
    'GET /v1/org',
    'GET /v1/org/members',
    'GET /v1/pushes/{push_id}',
    'GET /v1/users/{user_id}',
    'GET /v1/users/{user_id}/devices',
    'GET /v1/users/{user_id}/friends',
    'GET /v1/users/{user_id}/group-joins',
    'GET /v1/users/{user_id}/messages',
    'GET /v1/users/{user_id}/notifications',
    'GET /v1/users/{user_id}/push-settings',
    'GET /v1/users/{user_id}/push-tokens',
    'GET /v1/users/{user_id}/sessions',
    'GET /v1/users/{user_id}/token',
    'PATCH /v1/groups/{group_id}',
    'PATCH /v1/users/{user_id}',
    'PATCH /v1/users/{user_id}/sessions/{peer}',
    'POST /v1/files',
    'POST /v1/files/{file_id}:sign',
    'POST /v1/groups',
    'POST /v1/groups/{group_id}/joins',
    'POST /v1/groups/{group_id}/joins:answer',
    'POST /v1/groups/{group_id}/members',
    'POST /v1/groups/{group_id}:mute',
    'POST /v1/groups/{group_id}:set-role',
    'POST /v1/groups/{group_id}:transfer',
    'POST /v1/messages',
    'POST /v1/pushes',
    'POST /v1/users',
    'POST /v1/users/{user_id}/friends:import',
    'POST /v1/users/{user_id}/group-joins/{group_id}:answer',
    'POST /v1/users/{user_id}/messages:ack',
    'POST /v1/users/{user_id}/reports',
    'POST /v1/users/{user_id}/sessions/{peer}:read',
    'POST /v1/users/{user_id}/token:rotate',
    'POST /v1/users/{user_id}:kick',
    'POST /v1/users:import',
    'PUT /v1/org',
    'PUT /v1/users/{user_id}/blocklist/{peer_id}',
    'PUT /v1/users/{user_id}/friends/{peer_id}',
    'PUT /v1/users/{user_id}/push-settings',
    'PUT /v1/users/{user_id}/push-tokens',
  ])
})

test('the page to try the API runs its own script and nothing else', async () => {
  const { status, body, headers } = await call('GET', '/docs', { bearer: null })
  assert.equal(status, 200)
  const policy = String(headers['content-security-policy'])
  for (const [, text] of body.matchAll(/<(?:script type="module"|style)>(.*?)<\/(?:script|style)>/gs)) {
    const hash = createHash('sha256').update(text).digest('base64')
    assert.ok(policy.includes(`'sha256-${hash}'`))
  }
})

test('every POST is described with its Idempotency-Key, and refuses one that is none', async () => {
  const { body } = await call('GET', '/openapi.json', { bearer: null })
  type Described = { post?: { parameters?: { in: string; name: string }[] } }
  for (const [path, { post }] of Object.entries(body.paths as Record<string, Described>))
    if (post)
      assert.ok(
        post.parameters?.some((each) => each.in === 'header' && each.name === 'idempotency-key'),
        path,
      )
  for (const key of ['', 'two words', 'x'.repeat(256), 'ü'])
    for (const path of ['/v1/users', '/v1/messages', '/v1/users/1/messages:ack']) {
      const answer = await call('POST', path, { body: {}, headers: { 'idempotency-key': key } })
      assert.equal(answer.status, 400)
      assert.match(answer.body.error.message, /Idempotency-Key/)
    }
})

test('every response has x-request-id: the caller’s trace where it has one', async () => {
  const id = '0123456789abcdef0123456789abcdef'
  const given = [{ traceparent: `00-${id}-0123456789abcdef-01` }, { 'x-request-id': id }]
  for (const headers of given)
    assert.equal((await call('GET', '/healthz', { headers })).headers['x-request-id'], id)
  const paths = ['/healthz', '/v1/users/404', '/v1/users/x', '/nowhere', '/v1/users/%ff', '/openapi.json']
  for (const path of paths) {
    const { headers } = await call('GET', path, { headers: { 'x-request-id': 'no trace id' } })
    assert.match(String(headers['x-request-id']), /^[0-9a-f]{32}$/, path)
  }
})

test('a URL that is not one, and what is no HTTP, are refused in the same shape', async () => {
  const { status, body } = await call('GET', '/v1/users/%ff')
  assert.deepEqual([status, body.error.code], [400, 'BAD_REQUEST'])
  await rest.api.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((rest.api.server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('no HTTP\r\n\r\n')
  let answer = ''
  for await (const chunk of socket) answer += chunk
  assert.match(answer, /^x-request-id: [0-9a-f]{32}\r$/m)
  assert.match(answer, /^HTTP\/1\.1 400 .*\r\n\r\n\{"error":\{"code":"BAD_REQUEST"/s)
})
