/** Applications and invitations over REST, with the worker that answers, on the real PostgreSQL (spec 4). */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { coffeechat } from '../../../proto/index.js'
import { commands } from '../../../schemas/packets.js'
import { topics } from '../../../schemas/topics.js'
import { openRest } from './rest.js'

const { call, register, logIn, pool, published } = await openRest()
before(async () => {
  for (let user = 1; user <= 9; user++) await register(user)
  for (const user of [1, 2, 4, 5]) await logIn(user, 2, user)
})

async function newGroup(models: object): Promise<string> {
  const body = { owner_id: '1', members: ['2', '3'], ...models }
  const made = await call('POST', '/v1/groups', { body })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  return made.body.group_id
}
const apply = (group_id: string, user_id: string, join_text?: string) =>
  call('POST', `/v1/groups/${group_id}/joins`, { body: { user_id, join_text } })
const answer = (group_id: string, members: string[], agree: boolean) =>
  call('POST', `/v1/groups/${group_id}/joins:answer`, { body: { members, agree } })
const waiting = async (group_id: string, query = '') =>
  (await call('GET', `/v1/groups/${group_id}/joins${query}`)).body
const own = async (user_id: string) => (await call('GET', `/v1/users/${user_id}/group-joins`)).body.joins
const membersOf = async (group_id: string) =>
  (await call('GET', `/v1/groups/${group_id}/members`)).body.members.map(
    ({ user_id }: { user_id: string }) => user_id,
  )

/** Who was told of what waits or was refused in a group, by the users of the devices. */
const told = (group_id: string) =>
  published<coffeechat.event.IOutbound>(topics.gateOutbound)
    .flatMap(({ packet }) => packet ?? [])
    .filter(({ command_id }) => command_id === commands.GROUP_JOIN_NOTIFY.id)
    .map(({ body, target }) => ({
      ...commands.GROUP_JOIN_NOTIFY.type.decode(body),
      users: target?.map(({ user_id }) => user_id),
    }))
    .filter((each) => each.group_id === Number(group_id))
    .map(({ user_id, join_list, users }) => [
      user_id,
      join_list.map((each) => [each.user_id, each.kind, each.state]),
      users,
    ])

test('applications wait for the owner or an admin, who lets in or keeps out', async () => {
  const group_id = await newGroup({ group_name: 'tea', join_model: 1 })
  await call('POST', `/v1/groups/${group_id}:set-role`, { body: { members: ['2'], role: 1 } })
  for (const user of ['4', '5', '6'])
    assert.deepEqual(await apply(group_id, user, `I am ${user}`).then(({ status, body }) => [status, body]), [
      201,
      { joined: false },
    ])
  assert.equal((await apply(group_id, '4')).status, 201, 'the same again changes nothing')
  const first = await waiting(group_id, '?limit=2')
  assert.deepEqual(
    first.joins.map((each: Record<string, unknown>) => [each.user_id, each.kind, each.state, each.join_text]),
    [
      ['4', 1, 1, 'I am 4'],
      ['5', 1, 1, 'I am 5'],
    ],
  )
  const second = await waiting(group_id, `?limit=2&cursor=${first.cursor}`)
  assert.deepEqual([second.joins.length, second.joins[0].user_id, second.cursor], [1, '6', undefined])

  assert.equal((await answer(group_id, ['4', '6'], true)).body.member_count, 5)
  assert.equal((await answer(group_id, ['5'], false)).status, 200)
  assert.deepEqual(await membersOf(group_id), ['1', '2', '3', '4', '6'])
  assert.deepEqual((await waiting(group_id)).joins, [])
  const [kept] = await own('5')
  assert.deepEqual([kept.group_name, kept.state], ['tea', 2])
  assert.deepEqual(await own('4'), [])
  assert.deepEqual(told(group_id), [
    [4, [[4, 1, 1]], [4, 1, 2]],
    [5, [[5, 1, 1]], [5, 1, 2]],
    [6, [[6, 1, 1]], [1, 2]],
    [1, [[5, 1, 2]], [5, 1, 2]],
  ])
  assert.deepEqual(await apply(group_id, '6').then(({ body }) => body), { joined: true })
})

test('each join is a numbered NOTIFICATION; what waits is none', async () => {
  const group_id = await newGroup({ join_model: 1 })
  await apply(group_id, '4')
  await apply(group_id, '5')
  await answer(group_id, ['5'], false)
  await answer(group_id, ['4'], true)
  const { rows } = await pool.query<{ content: Buffer }>({
    text: 'SELECT content FROM im_message_group WHERE group_id = $1 ORDER BY msg_id',
    values: [group_id],
  })
  assert.deepEqual(
    rows.map(({ content }) => JSON.parse(content.toString()).notification),
    ['group.created', 'group.members_added'],
  )
})

test('an application or invitation that nobody has answered in time is as if it had never been', async () => {
  const group_id = await newGroup({ join_model: 1 })
  await apply(group_id, '4')
  await pool.query({
    text: 'UPDATE im_group_join SET expire_time = 1 WHERE group_id = $1',
    values: [group_id],
  })
  assert.deepEqual([(await waiting(group_id)).joins, await own('4')], [[], []])
  assert.equal((await answer(group_id, ['4'], true)).status, 404)
  await apply(group_id, '5')
  const { rows } = await pool.query({
    text: 'SELECT user_id FROM im_group_join WHERE group_id = $1',
    values: [group_id],
  })
  assert.deepEqual(rows, [{ user_id: 5 }], 'the next one sweeps it away')
})

test('a group that is disbanded, and a user who is added otherwise, wait for nothing', async () => {
  const [gone, other] = [await newGroup({ join_model: 1 }), await newGroup({ join_model: 1 })]
  for (const group of [gone, other]) await apply(group, '7')
  await call('DELETE', `/v1/groups/${gone}`)
  await call('POST', `/v1/groups/${other}/members`, { body: { members: ['7'] } })
  assert.deepEqual(await own('7'), [])
  assert.equal((await call('GET', `/v1/groups/${gone}/joins`)).status, 404)
})

const refusals: [string, object, (group: string) => ReturnType<typeof call>, number, string][] = [
  ['an application where one is invited', {}, (group) => apply(group, '8'), 403, 'FORBIDDEN'],
  ['an application where nobody joins', { join_model: 2 }, (group) => apply(group, '8'), 403, 'FORBIDDEN'],
  ['an unknown user’s application', { join_model: 1 }, (group) => apply(group, '777'), 404, 'NOT_FOUND'],
  ['a text of 257', { join_model: 1 }, (group) => apply(group, '8', '☕'.repeat(257)), 400, 'BAD_REQUEST'],
  ['an answer to nobody', { join_model: 1 }, (group) => answer(group, [], true), 400, 'BAD_REQUEST'],
  ['an answer to who has not applied', {}, (group) => answer(group, ['8'], true), 404, 'NOT_FOUND'],
  [
    'an answer to no invitation',
    {},
    (group) => call('POST', `/v1/users/8/group-joins/${group}:answer`, { body: { agree: true } }),
    404,
    'NOT_FOUND',
  ],
]
for (const [what, models, ask, status, code] of refusals)
  test(`${what} is ${status} ${code}`, async () => {
    const refused = await ask(await newGroup(models))
    assert.deepEqual([refused.status, refused.body.error.code], [status, code])
  })
