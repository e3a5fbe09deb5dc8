import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CIM, type coffeechat } from '../../../proto/index.js'
import type { PresenceChangedJson } from '../../../schemas/business-events.js'
import { commands } from '../../../schemas/packets.js'
import { topics } from '../../../schemas/topics.js'
import { openRest, type Reply } from './rest.js'

const rest = await openRest()
const { call } = rest
const greatest = String(2 ** 48 - 1)

const assertFault = ({ status, body }: Reply, expected: number, code: string, field?: string) => {
  assert.deepEqual([status, body.error.code, body.error.field], [expected, code, field])
  assert.ok(body.error.message.length > 0)
}

/** KICK_NOTIFY packets that were published so far: user and reason. */
const kicks = () =>
  rest
    .published<coffeechat.event.IOutbound>(topics.gateOutbound)
    .flatMap(({ packet }) => packet ?? [])
    .filter(({ command_id }) => command_id === commands.KICK_NOTIFY.id)
    .map(({ body, close, target }) => {
      const { user_id, reason } = commands.KICK_NOTIFY.type.decode(body)
      return { user_id, reason, close, logins: target?.map(({ login_number }) => login_number) }
    })
const kicksOf = (userId: number) => kicks().filter(({ user_id }) => user_id === userId)

test('a user is registered with 201 and its token; a second time 409', async () => {
  const body = {
    user_id: greatest,
    nick_name: '咖啡 ☕️',
    avatar_url: 'https://x.example/a.png',
    attach_info: '{}',
  }
  const created = await call('POST', '/v1/users', { body })
  assert.equal(created.status, 201)
  const { token, created: at, updated, ...user } = created.body
  assert.deepEqual(user, { ...body, robot: null, active: true })
  assert.ok(Math.abs(Date.now() - at) < 5_000 && at === updated)
  assertFault(await call('POST', '/v1/users', { body }), 409, 'USER_EXISTS', 'user_id')
  assert.equal((await call('GET', `/v1/users/${greatest}/token`)).body.token, token)
})

test('every answer has the trace id of what it caused', async () => {
  const trace = '0af7651916cd43dd8448eb211c80319c'
  const traceparent = `00-${trace}-b7ad6b7169203331-01`
  const { headers } = await call('GET', '/v1/users/1', { headers: { traceparent } })
  assert.equal(headers['x-request-id'], trace)
  assert.equal(rest.lastHeaders(topics.requestUser)?.traceparent, traceparent)
  const other = await call('GET', '/v1/users/1')
  const id = String(other.headers['x-request-id'])
  assert.match(rest.lastHeaders(topics.requestUser)?.traceparent ?? '', new RegExp(`^00-${id}-.*-00$`))
  assert.match(String((await call('GET', '/nowhere')).headers['x-request-id']), /^[0-9a-f]{32}$/)
})

test('what is not there, missing or of the wrong kind is named', async () => {
  const told = async (...given: Parameters<typeof call>) => (await call(...given)).body.error.message
  assert.match(await told('GET', '/v1/users?x=1'), /^there is no call GET \/v1\/users; \/openapi\.json/)
  const body = { user_id: '9' }
  assert.equal(await told('POST', '/v1/users', { body }), 'nick_name: is missing: a string is needed')
  assert.equal(
    await told('POST', '/v1/users', { body: { ...body, nick_name: 7 } }),
    'nick_name: a string is needed',
  )
  const headers = { 'content-type': 'text/plain' }
  assert.match(await told('POST', '/v1/users', { body, headers }), /application\/json for calls/)
})

const wrongUsers: [string, object, string][] = [
  ['an id that is a number', { user_id: 5, nick_name: 'x' }, 'user_id'],
  ['an id of a group', { user_id: String(2 ** 48), nick_name: 'x' }, 'user_id'],
  ['the id 0', { user_id: '0', nick_name: 'x' }, 'user_id'],
  ['an id with a sign', { user_id: '-1', nick_name: 'x' }, 'user_id'],
  ['no id', { nick_name: 'x' }, 'user_id'],
  ['no name', { user_id: '5' }, 'nick_name'],
  ['a name of 33 characters', { user_id: '5', nick_name: '☕'.repeat(33) }, 'nick_name'],
  ['U+0000 in the name', { user_id: '5', nick_name: 'a\0b' }, 'nick_name'],
  ['half a character in the name', { user_id: '5', nick_name: '\ud83d' }, 'nick_name'],
  [
    'attach_info of 1,025 bytes',
    { user_id: '5', nick_name: 'x', attach_info: 'x'.repeat(1_025) },
    'attach_info',
  ],
]
for (const [what, body, field] of wrongUsers)
  test(`registering with ${what} is a BAD_REQUEST that names the field`, async () => {
    assertFault(await call('POST', '/v1/users', { body }), 400, 'BAD_REQUEST', field)
  })

test('a name of 32 characters outside the basic plane fits', async () => {
  const body = { user_id: '32', nick_name: '😀'.repeat(32) }
  assert.equal((await call('POST', '/v1/users', { body })).status, 201)
})

test('SQL in every text field is kept as text', async () => {
  const evil = `'; DROP TABLE im_user; --`
  const body = { user_id: '66', nick_name: evil, attach_info: evil, avatar_url: evil }
  assert.equal((await call('POST', '/v1/users', { body })).status, 201)
  assert.equal((await call('GET', '/v1/users/66')).body.attach_info, evil)
})

test('a user that does not exist is a 404 for every call about it', async () => {
  for (const [method, path] of [
    ['GET', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['GET', '/token'],
    ['POST', '/token:rotate'],
    ['GET', '/devices'],
    ['POST', ':kick'],
  ] as const)
    assertFault(await call(method, `/v1/users/404404${path}`), 404, 'USER_NOT_FOUND')
})

test('PATCH changes what it names, null clears, the rest stays', async () => {
  const robot = { webhook: 'https://robot.example/hook', secret: 'not to be shown' }
  await call('POST', '/v1/users', { body: { user_id: '10', nick_name: 'ten', avatar_url: 'a', robot } })
  const changed = await call('PATCH', '/v1/users/10', { body: { nick_name: 'zehn', avatar_url: null } })
  assert.equal(changed.status, 200)
  const shown = (await call('GET', '/v1/users/10')).body
  assert.deepEqual(shown, changed.body)
  assert.deepEqual(
    [shown.nick_name, shown.avatar_url, shown.robot],
    ['zehn', null, { webhook: 'https://robot.example/hook' }],
  )
  assert.equal((await call('PATCH', '/v1/users/10', { body: { robot: null } })).body.robot, null)
})

test('an import registers who is new and leaves who exists', async () => {
  await rest.register(20)
  const list = ['20', '21', '22'].map((user_id) => ({ user_id, nick_name: 'imported' }))
  const { status, body } = await call('POST', '/v1/users:import', { body: { users: list } })
  assert.equal(status, 200)
  assert.deepEqual(
    body.results.map((each: { status: string; token?: string }) => [each.status, typeof each.token]),
    [
      ['exists', 'undefined'],
      ['created', 'string'],
      ['created', 'string'],
    ],
  )
  assert.equal((await call('GET', '/v1/users/20')).body.nick_name, 'user 20')
})

test('rotating a token refuses the old one and kicks the devices; a repeated record does neither again', async () => {
  const old = await rest.register(30)
  await rest.logIn(30, 1, 5)
  await rest.logIn(30, 3, 6)
  const { token } = (await call('POST', '/v1/users/30/token:rotate')).body
  assert.notEqual(token, old)
  assertFault(await call('GET', '/v1/users/30/sessions', { bearer: old }), 401, 'UNAUTHORIZED')
  assert.equal((await call('GET', '/v1/users/30/sessions', { bearer: token })).status, 200)
  const revoked = CIM.Def.CIMKickReason.kCIM_KICK_REASON_TOKEN_REVOKED
  assert.deepEqual(
    kicksOf(30).map(({ reason, close }) => [reason, close]),
    [
      [revoked, true],
      [revoked, true],
    ],
  )
  const { token_version } = (await rest.pool.query('SELECT token_version FROM im_user WHERE user_id = 30'))
    .rows[0]
  assert.equal(token_version, 2)
})

test('a change whose worker died before it published kicks the same devices again, and no later one', async () => {
  await rest.register(31)
  await rest.logIn(31, 1, 5)
  const first = (await call('POST', '/v1/users/31/token:rotate')).body.token
  await rest.logIn(31, 1, 9)
  await rest.repeatLastUserRequest()
  assert.deepEqual(
    kicksOf(31).map(({ logins }) => logins),
    [[5], [5]],
  )
  assert.equal((await call('GET', '/v1/users/31/token')).body.token, first)
  assert.equal((await call('GET', '/v1/users/31/devices')).body.devices.length, 1)
})

test('the devices that are present are listed, and one client type can be kicked', async () => {
  await rest.register(40)
  await rest.logIn(40, 1, 5)
  await rest.logIn(40, 3, 6)
  const { devices } = (await call('GET', '/v1/users/40/devices')).body
  assert.deepEqual(devices.map(({ client_type }: { client_type: number }) => client_type).sort(), [1, 3])
  const first = (await call('GET', '/v1/users/40/devices?limit=1')).body
  const second = (await call('GET', `/v1/users/40/devices?limit=1&cursor=${first.cursor}`)).body
  assert.deepEqual([[...first.devices, ...second.devices], second.cursor], [devices, undefined])
  assert.equal((await call('GET', '/v1/users/40/devices?cursor=x')).body.error.field, 'cursor')
  assert.deepEqual(
    [(await call('POST', '/v1/users/40:kick', { body: { client_type: 3 } })).status, kicksOf(40).length],
    [200, 1],
  )
  assert.equal((await call('GET', '/v1/users/40/devices')).body.devices.length, 1)
  const ended = rest
    .published<PresenceChangedJson>(topics.presenceChanged)
    .filter(({ user_id }) => user_id === '40')
  assert.deepEqual(
    ended.map(({ state, client_type }) => [state, client_type]),
    [['kicked', 3]],
  )
})

test('an empty body with a JSON content type counts as {}', async () => {
  await rest.register(41)
  const headers = { 'content-type': 'application/json' }
  assert.equal((await call('POST', '/v1/users/41:kick', { headers })).status, 200)
  assert.equal((await call('POST', '/v1/users/41:kick')).status, 200)
})

test('a deactivated user is kicked, and its token is good for nothing', async () => {
  const bearer = await rest.register(50)
  await rest.logIn(50, 2, 5)
  const { status, body } = await call('DELETE', '/v1/users/50')
  assert.deepEqual([status, body.active], [200, false])
  assert.equal(kicksOf(50)[0]?.reason, CIM.Def.CIMKickReason.kCIM_KICK_REASON_USER_DEACTIVATED)
  assertFault(await call('GET', '/v1/users/50/sessions', { bearer }), 403, 'USER_DEACTIVATED')
  assertFault(
    await call('POST', '/v1/users', { body: { user_id: '50', nick_name: 'x' } }),
    409,
    'USER_EXISTS',
    'user_id',
  )
})

test('push tokens are kept in the order of their first PUT; a new one of a provider replaces the old', async () => {
  const bearer = await rest.register(60)
  const put = (provider: string, token: string) =>
    call('PUT', '/v1/users/60/push-tokens', { bearer, body: { client_type: 1, provider, token } })
  for (const [provider, token] of [
    ['huawei', 'h1'],
    ['fcm', 'f1'],
    ['huawei', 'h2'],
  ] as const)
    assert.equal((await put(provider, token)).status, 200)
  const { rows } = await rest.pool.query(
    'SELECT provider, token FROM im_push_token WHERE user_id = 60 ORDER BY position',
  )
  assert.deepEqual(rows, [
    { provider: 'huawei', token: 'h2' },
    { provider: 'fcm', token: 'f1' },
  ])
})

test('an Idempotency-Key answers a repeated call as the first time, and refuses another call', async () => {
  const headers = { 'idempotency-key': 'registration-of-70' }
  const body = { user_id: '70', nick_name: 'seventy' }
  const first = await call('POST', '/v1/users', { body, headers })
  const again = await call('POST', '/v1/users', { body, headers })
  assert.deepEqual([again.status, again.body], [201, first.body])
  assertFault(
    await call('POST', '/v1/users', { body: { ...body, nick_name: 'other' }, headers }),
    409,
    'IDEMPOTENCY_KEY_REUSED',
  )
})
