import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { coffeechat } from '../../../proto/index.js'
import { topics } from '../../../schemas/topics.js'
import { openRest } from './rest.js'

const rest = await openRest()
const { call } = rest
for (const id of [1, 2, 3, 4]) await rest.register(id)

const send = (more: object = {}, bearer?: string) =>
  call('POST', '/v1/messages', {
    body: { from_user_id: '1', to_user_id: '2', msg_id: randomUUID(), msg_type: 1, text: 'hello', ...more },
    ...(bearer === undefined ? {} : { bearer }),
  })

test('a message is stored and answered with 201 and its number; the same again with 200 and the first', async () => {
  const msg_id = randomUUID()
  const first = await send({ msg_id })
  assert.equal(first.status, 201)
  assert.match(first.body.server_msg_id, /^[1-9]\d*$/)
  const again = await send({ msg_id })
  assert.deepEqual([again.status, again.body], [200, first.body])
})

test('it counts as sent by client type 4, with no header of its own', async () => {
  await send()
  const last = rest.published<coffeechat.event.IMessageSubmitted>(topics.messageSubmitted).at(-1)
  assert.deepEqual([last?.origin.device.client_type, last?.origin.seq_num], [4, 0])
})

test('a client sends as itself with its token', async () => {
  const token = (await call('GET', '/v1/users/1/token')).body.token
  assert.equal((await send({}, token)).status, 201)
})

const refusals: [string, object, number, string][] = [
  ['to an unknown user', { to_user_id: '404404' }, 404, 'USER_NOT_EXIST'],
  ['from an unknown user', { from_user_id: '404404' }, 404, 'USER_NOT_EXIST'],
  ['to a group', { to_user_id: undefined, group_id: String(2 ** 48) }, 404, 'GROUP_NOT_EXIST'],
  ['that is too large', { text: 'x'.repeat(32_769) }, 413, 'TOO_LARGE'],
  ['to nobody', { to_user_id: undefined }, 400, 'BAD_REQUEST'],
  ['to a user and a group', { group_id: String(2 ** 48) }, 400, 'BAD_REQUEST'],
  ['without content', { text: undefined }, 400, 'BAD_REQUEST'],
  ['with two contents', { data: 'AAAA' }, 400, 'BAD_REQUEST'],
  ['with data that is not base64', { text: undefined, data: '*' }, 400, 'BAD_REQUEST'],
  ['without an id', { msg_id: '' }, 400, 'BAD_REQUEST'],
  ['with an id of 65 characters', { msg_id: 'x'.repeat(65) }, 400, 'BAD_REQUEST'],
  ['of the type NOTIFICATION', { msg_type: 6 }, 400, 'BAD_REQUEST'],
  ['of the type ROBOT', { msg_type: 9 }, 400, 'BAD_REQUEST'],
  ['of an unknown type', { msg_type: 1000 }, 400, 'BAD_REQUEST'],
]
for (const [what, more, status, code] of refusals)
  test(`a message ${what} is refused with ${status} ${code}`, async () => {
    const answer = await send(more)
    assert.deepEqual([answer.status, answer.body.error.code], [status, code])
  })

test('a msg_id that names another message is refused with 409 ERROR', async () => {
  const msg_id = randomUUID()
  await send({ msg_id })
  const answer = await send({ msg_id, text: 'something else' })
  assert.deepEqual([answer.status, answer.body.error.code], [409, 'ERROR'])
})

test('a message is found by its sender and msg_id, with what was sent', async () => {
  const msg_id = randomUUID()
  const sent = await send({ msg_id, text: 'findable ☕' })
  const found = await call('GET', `/v1/messages/1/${msg_id}`)
  assert.equal(found.status, 200)
  const { from_user_id, to_session_id, session_type, server_msg_id, text, create_time } = found.body
  assert.deepEqual([from_user_id, to_session_id, session_type, text], ['1', '2', 1, 'findable ☕'])
  assert.deepEqual([server_msg_id, create_time], [sent.body.server_msg_id, sent.body.create_time])
  const group = await call('POST', '/v1/groups', { body: { owner_id: '1', group_name: 'g', members: ['2'] } })
  const inGroup = randomUUID()
  await send({ msg_id: inGroup, to_user_id: undefined, group_id: group.body.group_id })
  const { body } = await call('GET', `/v1/messages/1/${inGroup}`)
  assert.deepEqual([body.to_session_id, body.session_type], [group.body.group_id, 2])
})

test('a message that its named sender did not send is a 404; a client finds its own only', async () => {
  const msg_id = randomUUID()
  await send({ msg_id })
  for (const path of [`1/${randomUUID()}`, `2/${msg_id}`]) {
    const { status, body } = await call('GET', `/v1/messages/${path}`)
    assert.deepEqual([status, body.error.code], [404, 'NOT_FOUND'])
  }
  const tokenOf = async (user: number) => (await call('GET', `/v1/users/${user}/token`)).body.token
  const get = async (user: number) =>
    (await call('GET', `/v1/messages/1/${msg_id}`, { bearer: await tokenOf(user) })).status
  assert.deepEqual([await get(1), await get(2)], [200, 403])
})

test('history shows the conversation in rising order, page by page to its beginning', async () => {
  for (let n = 1; n <= 5; n++) await send({ from_user_id: '3', to_user_id: '4', text: `${n} ☕` })
  const numbers: string[][] = []
  let cursor: string | undefined = ''
  while (cursor !== undefined) {
    const before = cursor === '' ? '' : `&before=${cursor}`
    const { body }: { body: { messages: { server_msg_id: string; text: string }[]; cursor?: string } } =
      await call('GET', `/v1/users/4/messages?peer=3&limit=2${before}`)
    numbers.push(body.messages.map(({ server_msg_id }) => server_msg_id))
    cursor = body.cursor
  }
  assert.deepEqual(numbers, [['4', '5'], ['2', '3'], ['1']])
})

test('bytes come back as they were sent', async () => {
  const data = Buffer.from(Array.from({ length: 256 }, (_, n) => n)).toString('base64')
  await send({ from_user_id: '4', to_user_id: '4', msg_type: 100, text: undefined, data })
  const { body } = await call('GET', '/v1/users/4/messages?peer=4')
  assert.equal(body.messages[0].data, data)
  assert.equal(body.messages[0].text, undefined)
})

test('the session list counts what is unread, and reading takes it away', async () => {
  await rest.register(11)
  await rest.register(12)
  for (let n = 1; n <= 3; n++) await send({ from_user_id: '11', to_user_id: '12', text: `${n}` })
  const unread = async () => {
    const { body } = await call('GET', '/v1/users/12/sessions')
    return [body.unread_total, body.sessions[0].unread_cnt, body.sessions[0].last_message.text]
  }
  assert.deepEqual(await unread(), [3, 3, '3'])
  const read = await call('POST', '/v1/users/12/sessions/11:read', { body: { server_msg_id: '2' } })
  assert.equal(read.status, 200)
  assert.deepEqual(await unread(), [1, 1, '3'])
})

test('sessions page by cursor, newest first, each once', async () => {
  for (let peer = 21; peer <= 25; peer++) {
    await rest.register(peer)
    await send({ from_user_id: String(peer), to_user_id: '3' })
  }
  const seen: string[] = []
  let cursor: string | undefined = ''
  while (cursor !== undefined) {
    const { body }: { body: { sessions: { session_id: string }[]; cursor?: string } } = await call(
      'GET',
      `/v1/users/3/sessions?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`,
    )
    seen.push(...body.sessions.map(({ session_id }) => session_id))
    cursor = body.cursor
  }
  assert.deepEqual([...seen].sort(), ['21', '22', '23', '24', '25', '4'])
  assert.equal(new Set(seen).size, seen.length)
})

test('a limit above 100, a foreign cursor and a bad number are refused by name', async () => {
  for (const [query, field] of [
    ['peer=2&limit=101', 'limit'],
    ['peer=2&before=x', 'before'],
    ['peer=0', 'peer'],
  ] as const) {
    const { status, body } = await call('GET', `/v1/users/1/messages?${query}`)
    assert.deepEqual([status, body.error.field], [400, field])
  }
  assert.equal((await call('GET', '/v1/users/1/sessions?cursor=abc')).status, 400)
})

test('acks are published as the user’s own', async () => {
  const messages = [
    { from_user_id: '1', msg_id: 'a' },
    { from_user_id: '1', msg_id: 'b' },
  ]
  assert.equal((await call('POST', '/v1/users/2/messages:ack', { body: { messages } })).status, 200)
  const acked = rest.published<coffeechat.event.IDeliveryAcked>(topics.deliveryAcked)
  assert.deepEqual(
    acked.map(({ login, msg_id }) => [login.user_id, login.device.client_type, msg_id]),
    [
      [2, 4, 'a'],
      [2, 4, 'b'],
    ],
  )
})
