/** An app server that sends, reads and marks for its users, with clients on the same system (spec 4). */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

let system: System
let crowd: Crowd
before(async () => {
  system = await startSystem()
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
})

const message = (from: number, to: number, more: object = {}) => ({
  from_user_id: String(from),
  to_user_id: String(to),
  msg_id: randomUUID(),
  msg_type: 1,
  text: 'over REST',
  ...more,
})

test("a message sent over REST is 201 once, 200 again, and reaches the receiver and the sender's devices", async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  const body = message(ada.user_id, bo.user_id)
  const first = await system.api.post('/v1/messages', body)
  assert.deepEqual([first.status, first.body.server_msg_id, first.body.msg_id], [201, '1', body.msg_id])
  assert.equal((await bos.received(body.msg_id)).server_msg_id, 1)
  assert.equal((await adas.received(body.msg_id)).server_msg_id, 1)
  const again = await system.api.post('/v1/messages', body)
  assert.equal(again.status, 200)
  assert.deepEqual(again.body, first.body)
})

const refusals: [string, object, number, string][] = [
  ['to an unknown user', { to_user_id: '888888' }, 404, 'USER_NOT_EXIST'],
  ['to a group that is not', { to_user_id: undefined, group_id: String(2 ** 48) }, 404, 'GROUP_NOT_EXIST'],
  ['to nobody', { to_user_id: undefined }, 400, 'BAD_REQUEST'],
  ['with a type of the server', { msg_type: 6 }, 400, 'BAD_REQUEST'],
  ['without a msg_id', { msg_id: '' }, 400, 'BAD_REQUEST'],
  ['that is too large', { text: 'x'.repeat(32_769) }, 413, 'TOO_LARGE'],
  ['with text and data', { data: 'AAAA' }, 400, 'BAD_REQUEST'],
]
for (const [what, more, status, code] of refusals)
  test(`a message ${what} is ${status} ${code}`, async () => {
    const [ada, bo] = [await crowd.newUser(), await crowd.newUser()]
    const answer = await system.api.post('/v1/messages', message(ada.user_id, bo.user_id, more))
    assert.deepEqual([answer.status, answer.body.error.code], [status, code])
    assert.match(answer.headers.get('x-request-id') ?? '', /^[0-9a-f]{32}$/)
  })

test('a msg_id that names another message is 409 ERROR', async () => {
  const [ada, bo] = [await crowd.newUser(), await crowd.newUser()]
  const body = message(ada.user_id, bo.user_id)
  assert.equal((await system.api.post('/v1/messages', body)).status, 201)
  const { status, body: answer } = await system.api.post('/v1/messages', { ...body, text: 'other' })
  assert.deepEqual([status, answer.error.code], [409, 'ERROR'])
})

test('a client sends for itself with its token, and for nobody else', async () => {
  const [ada, bo] = [await crowd.newUser(), await crowd.newUser()]
  const { token } = ada
  const own = await system.api.post('/v1/messages', message(ada.user_id, bo.user_id), { token })
  assert.equal(own.status, 201)
  const forged = await system.api.post('/v1/messages', message(bo.user_id, ada.user_id), { token })
  assert.equal(forged.status, 403)
  assert.equal(
    (await system.api.post('/v1/messages', message(1, 2), { token: '' })).status,
    401,
    'no key at all',
  )
  assert.equal((await system.api.get(`/v1/users/${ada.user_id}`, { token })).status, 403)
})

test('sessions and history over REST show what the clients said', async () => {
  const { ada, bo, adas } = await crowd.pair()
  for (const text of ['one', 'two', 'three']) await adas.say(bo.user_id, text)
  const list = await system.api.get(`/v1/users/${bo.user_id}/sessions`)
  assert.equal(list.body.unread_total, 3)
  const [session] = list.body.sessions
  assert.deepEqual(
    [session.session_id, session.unread_cnt, session.last_message.text],
    [String(ada.user_id), 3, 'three'],
  )
  const path = `/v1/users/${bo.user_id}/messages?peer=${ada.user_id}&limit=2`
  const newest = await system.api.get(path)
  const texts = (page: { body: { messages: { text: string }[] } }) =>
    page.body.messages.map(({ text }) => text)
  assert.deepEqual(texts(newest), ['two', 'three'])
  assert.deepEqual(texts(await system.api.get(`${path}&before=${newest.body.cursor}`)), ['one'])
})

test('a read and an ack over REST count as those of a client do', async () => {
  const { ada, bo, adas } = await crowd.pair()
  const msg_id = adas.send(bo.user_id, 'read me')
  await adas.acked(msg_id)
  const ack = { messages: [{ from_user_id: String(ada.user_id), msg_id }] }
  assert.equal((await system.api.post(`/v1/users/${bo.user_id}/messages:ack`, ack)).status, 200)
  const path = `/v1/users/${bo.user_id}/sessions/${ada.user_id}:read`
  assert.equal((await system.api.post(path, { server_msg_id: '1' })).status, 200)
  assert.equal((await adas.next('MSG_READ_NOTIFY')).body.msg_id, msg_id)
  const list = await system.api.get(`/v1/users/${bo.user_id}/sessions`)
  assert.equal(list.body.unread_total, 0)
})

test('devices lists who is online, and the gateway says where it is and that it is ready', async () => {
  const { bo, bos } = await crowd.pair()
  const { body } = await system.api.get(`/v1/users/${bo.user_id}/devices`)
  assert.deepEqual(
    body.devices.map(({ client_type }: { client_type: number }) => client_type),
    [2],
  )
  bos.cut()
  await conditionHolds('the device is offline', async () => {
    const answer = await system.api.get(`/v1/users/${bo.user_id}/devices`)
    return answer.body.devices.length === 0
  })
  const open = { token: '' }
  const { body: gateways } = await system.api.get('/v1/gateways', open)
  assert.deepEqual(gateways.tcp, [`127.0.0.1:${system.tcp}`])
  assert.deepEqual(gateways.ws, [`ws://127.0.0.1:${system.http}/ws`])
  assert.equal((await system.api.get('/healthz', open)).status, 200)
  assert.equal((await system.api.get('/readyz', open)).status, 200)
  assert.equal((await system.api.get('/openapi.json', open)).body.openapi, '3.1.0')
  assert.match((await system.api.get('/metrics', open)).body, /^# HELP /m)
})
