/** What a member reads of a group over REST: spec 4, spec 2 "Pulling" and "Read and unread". */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { type StoredGroup, storeGroup } from '../../helpers/stored-group.js'
import { openRest } from './rest.js'

const rest = await openRest()
const { call } = rest
let group: StoredGroup
let token: string

before(async () => {
  for (const id of [1, 2, 3, 4]) await rest.register(id)
  token = (await call('GET', '/v1/users/2/token')).body.token
  group = await storeGroup(rest.pool, [1, 2, 3])
  await group.say(1, 'hello all', { msg_id: 'hello/all' })
  await group.say(2, 'me too', { msg_id: 'me-too' })
})

const ids = (body: { messages: { msg_id: string }[] }) => body.messages.slice(1).map(({ msg_id }) => msg_id)

test("a group's messages are read like a peer's, by its members only", async () => {
  const { status, body } = await call('GET', `/v1/users/2/messages?peer=${group.group_id}`, { bearer: token })
  assert.deepEqual([status, ids(body)], [200, ['hello/all', 'me-too']])
  assert.deepEqual(
    [body.messages[1].session_type, body.messages[1].to_session_id, body.messages[1].text],
    [2, String(group.group_id), 'hello all'],
  )
  const stranger = await call('GET', `/v1/users/4/messages?peer=${group.group_id}`)
  assert.deepEqual([stranger.status, stranger.body.error.code], [403, 'FORBIDDEN'])
})

test('a group is listed with its unread count, and read up to a message', async () => {
  const listed = async () => (await call('GET', '/v1/users/3/sessions')).body
  const before_ = await listed()
  assert.deepEqual(
    [before_.unread_total, before_.sessions[0].session_id, before_.sessions[0].last_message.msg_id],
    [2, String(group.group_id), 'me-too'],
  )
  const read = await call('POST', `/v1/users/3/sessions/${group.group_id}:read`, {
    body: { server_msg_id: '2' },
  })
  assert.equal(read.status, 200)
  assert.equal((await listed()).unread_total, 1)
})

test('the sender asks who has read and who received; nobody else can', async () => {
  const url = `/v1/messages/1/${encodeURIComponent('hello/all')}/receipts`
  const { status, body } = await call('GET', url)
  assert.deepEqual(
    [status, body],
    [
      200,
      {
        session_id: String(group.group_id),
        session_type: 2,
        server_msg_id: '2',
        read: ['3'],
        received: [],
        waiting: ['2'],
      },
    ],
  )
  assert.equal((await call('GET', url, { bearer: token })).status, 403)
  assert.equal((await call('GET', '/v1/messages/2/me-too/receipts', { bearer: token })).status, 200)
  const unknown = await call('GET', '/v1/messages/1/never-written/receipts')
  assert.deepEqual([unknown.status, unknown.body.error.code], [404, 'NOT_FOUND'])
})
