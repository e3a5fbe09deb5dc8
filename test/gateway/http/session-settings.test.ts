/** What a user sets for a session, over REST: spec 4, spec 2 "Session settings". */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { storeGroup } from '../../helpers/stored-group.js'
import { openRest } from './rest.js'

const rest = await openRest()
const { call } = rest
let token: string
let group_id: number

before(async () => {
  for (const id of [1, 2, 3]) await rest.register(id)
  token = (await call('GET', '/v1/users/2/token')).body.token
  const body = { from_user_id: '1', to_user_id: '2', msg_id: 'first', msg_type: 1, text: 'hello' }
  assert.equal((await call('POST', '/v1/messages', { body })).status, 201)
  const group = await storeGroup(rest.pool, [1, 2])
  await group.say(1, 'hello all')
  group_id = group.group_id
})

const change = (peer: number | string, body: unknown, bearer = token) =>
  call('PATCH', `/v1/users/2/sessions/${peer}`, { body, bearer })

test('a session is pinned, muted and annotated; the list shows it', async () => {
  const settings = { is_pinned: true, is_muted: true, draft: 'well …', extend_data: '{"colour":"red"}' }
  const { status, body } = await change(1, settings)
  const { updated_time, ...answered } = body
  assert.deepEqual(
    [status, answered],
    [200, { session_id: '1', session_type: 1, session_status: 0, ...settings }],
  )
  assert.ok(updated_time > 0)
  const { sessions } = (await call('GET', '/v1/users/2/sessions', { bearer: token })).body
  const listed = sessions.find(({ session_id }: { session_id: string }) => session_id === '1')
  assert.deepEqual({ ...listed, ...settings }, listed)
})

test('a session of a group is deleted; an empty draft is removed', async () => {
  const deleted = await change(group_id, { session_status: 1, draft: '' })
  assert.deepEqual(
    [deleted.status, deleted.body.session_type, deleted.body.session_status, deleted.body.draft],
    [200, 2, 1, undefined],
  )
})

test('a session that is not there is not found', async () => {
  const { status, body } = await change(3, { is_pinned: true })
  assert.deepEqual([status, body.error.code], [404, 'NOT_FOUND'])
})

test("another's session is forbidden", async () => {
  const { status } = await call('PATCH', '/v1/users/1/sessions/2', {
    body: { is_pinned: true },
    bearer: token,
  })
  assert.equal(status, 403)
})

test('what sets nothing, too much, or something else is refused', async () => {
  for (const body of [
    {},
    { colour: 'red' },
    { is_pinned: 'yes' },
    { session_status: 2 },
    { draft: 'x'.repeat(4_097) },
    { extend_data: 'ä'.repeat(2_049) },
  ])
    assert.equal((await change(1, body)).status, 400, JSON.stringify(body).slice(0, 40))
  assert.equal((await change(1, { extend_data: 'ä'.repeat(2_048) })).status, 200)
})
