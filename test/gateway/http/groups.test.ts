/** Groups over REST, with the worker that answers, on the real PostgreSQL (spec 4). */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { coffeechat } from '../../../proto/index.js'
import { topics } from '../../../schemas/topics.js'
import { openRest } from './rest.js'

const { call, register, published } = await openRest()
before(async () => {
  for (const user of [1, 2, 3, 4, 5]) await register(user)
})

const newGroup = async (body: object = {}) => {
  const made = await call('POST', '/v1/groups', { body: { owner_id: '1', members: ['2', '3'], ...body } })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  return made.body
}
const membersOf = async (group_id: string, query = '') =>
  (await call('GET', `/v1/groups/${group_id}/members${query}`)).body

test('a group is made, shown, changed and disbanded', async () => {
  const made = await newGroup({ group_name: 'tea', announcement: 'at five' })
  assert.deepEqual(
    [made.group_name, made.announcement, made.owner_id, made.member_count, made.group_type],
    ['tea', 'at five', '1', 3, 1],
  )
  const path = `/v1/groups/${made.group_id}`
  assert.deepEqual((await call('GET', path)).body, made)
  const changed = await call('PATCH', path, { body: { group_name: 'coffee', group_avatar: 'a.png' } })
  assert.deepEqual(
    [changed.status, changed.body.group_name, changed.body.group_avatar, changed.body.version],
    [200, 'coffee', 'a.png', 2],
  )
  const gone = await call('DELETE', path)
  assert.deepEqual([gone.status, gone.body.disbanded], [200, true])
  assert.equal((await call('PATCH', path, { body: { group_name: 'x' } })).status, 404)
})

test('members are added, listed page by page, and removed', async () => {
  const { group_id } = await newGroup()
  const path = `/v1/groups/${group_id}/members`
  assert.equal((await call('POST', path, { body: { members: ['4', '5', '2'] } })).body.member_count, 5)
  const first = await membersOf(group_id, '?limit=3')
  assert.deepEqual(
    first.members.map((member: { user_id: string; role: number }) => [member.user_id, member.role]),
    [
      ['1', 2],
      ['2', 0],
      ['3', 0],
    ],
  )
  const second = await membersOf(group_id, `?limit=3&cursor=${first.cursor}`)
  assert.deepEqual(
    second.members.map(({ user_id }: { user_id: string }) => user_id),
    ['4', '5'],
  )
  assert.equal(second.cursor, undefined)
  assert.equal((await call('DELETE', path, { body: { members: ['4'] } })).body.member_count, 4)
})

test('the group changes hands, members are made admins, and are muted', async () => {
  const { group_id } = await newGroup()
  const verb = (name: string, body: object) => call('POST', `/v1/groups/${group_id}:${name}`, { body })
  assert.equal((await verb('transfer', { owner_id: '2' })).body.owner_id, '2')
  assert.equal((await verb('set-role', { members: ['1'], role: 1 })).status, 200)
  assert.equal((await verb('mute', { mute_model: 1 })).body.mute_model, 1)
  assert.equal((await verb('mute', { members: ['3'], mute_until: 5_000 })).status, 200)
  assert.deepEqual((await membersOf(group_id)).members, [
    { user_id: '1', role: 1, mute_until: 0 },
    { user_id: '2', role: 2, mute_until: 0 },
    { user_id: '3', role: 0, mute_until: 5_000 },
  ])
})

const nowhere = String(2 ** 50)
const refusals: [string, Parameters<typeof call>, number, string][] = [
  ['no owner', ['POST', '/v1/groups', { body: { members: [] } }], 400, 'BAD_REQUEST'],
  ['an unknown owner', ['POST', '/v1/groups', { body: { owner_id: '77' } }], 404, 'NOT_FOUND'],
  [
    'a name of 33 characters',
    ['POST', '/v1/groups', { body: { owner_id: '1', group_name: '☕'.repeat(33) } }],
    400,
    'BAD_REQUEST',
  ],
  [
    '501 members',
    ['POST', '/v1/groups', { body: { owner_id: '1', members: Array(501).fill('2') } }],
    400,
    'BAD_REQUEST',
  ],
  ['an id that is no group', ['GET', '/v1/groups/7'], 400, 'BAD_REQUEST'],
  ['a group that is not', ['GET', `/v1/groups/${nowhere}`], 404, 'NOT_FOUND'],
  ['members of a group that is not', ['GET', `/v1/groups/${nowhere}/members`], 404, 'NOT_FOUND'],
  ['nobody to add', ['POST', `/v1/groups/${nowhere}/members`, { body: {} }], 400, 'BAD_REQUEST'],
  ['an empty name', ['PATCH', `/v1/groups/${nowhere}`, { body: { group_name: '' } }], 400, 'BAD_REQUEST'],
  ['no key', ['GET', `/v1/groups/${nowhere}`, { bearer: null }], 401, 'UNAUTHORIZED'],
]
for (const [what, request, status, code] of refusals)
  test(`${what} is ${status} ${code}`, async () => {
    const answer = await call(...request)
    assert.deepEqual([answer.status, answer.body.error.code], [status, code])
  })

test('the owner cannot be removed: 403', async () => {
  const { group_id } = await newGroup()
  const answer = await call('DELETE', `/v1/groups/${group_id}/members`, { body: { members: ['1'] } })
  assert.deepEqual([answer.status, answer.body.error.code], [403, 'FORBIDDEN'])
})

test("a user's token manages no groups", async () => {
  const bearer = await register(6)
  assert.equal((await call('POST', '/v1/groups', { bearer, body: { owner_id: '6' } })).status, 403)
})

test('an Idempotency-Key makes one group, and is good for no other call', async () => {
  const headers = { 'idempotency-key': 'one-group' }
  const make = (body: object) => call('POST', '/v1/groups', { headers, body })
  const [first, again] = [await make({ owner_id: '1' }), await make({ owner_id: '1' })]
  assert.deepEqual([first.status, again.status], [201, 201])
  assert.equal(first.body.group_id, again.body.group_id)
  const other = await make({ owner_id: '1', group_name: 'other' })
  assert.deepEqual([other.status, other.body.error.code], [409, 'IDEMPOTENCY_KEY_REUSED'])
})

test('each change is fanned out as a NOTIFICATION of the owner, and told to businesses', async () => {
  const { group_id } = await newGroup()
  await call('PATCH', `/v1/groups/${group_id}`, { body: { group_name: 'renamed' } })
  const fanned = published<coffeechat.event.IFanoutRequested>(topics.fanoutRequested).filter(
    ({ ref }) => ref.to_session_id === Number(group_id),
  )
  assert.deepEqual(
    fanned.map(({ ref, msg_type }) => [ref.from_user_id, ref.server_msg_id, ref.session_type, msg_type]),
    [
      [1, 1, 2, 6],
      [1, 2, 2, 6],
    ],
  )
  const stored = published<{ to_session_id: string; data: string }>(topics.messageStored).filter(
    ({ to_session_id }) => to_session_id === group_id,
  )
  assert.deepEqual(JSON.parse(Buffer.from(stored[1]!.data, 'base64').toString()), {
    notification: 'group.changed',
    data: { group_name: 'renamed', operator: '1', members: [] },
  })
})
