/** What app servers and clients may get wrong about groups, with the real limits, on the real PostgreSQL (spec 1, 2, 4). */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { openRest } from './rest.js'

const { call, pool } = await openRest()
const [groupNormalMax, groupSuperMax, membersAtOnce] = [200, 10_000, 500]
const unknown = String(groupSuperMax + 1_000)
before(
  async () =>
    void (await pool.query({
      text: `INSERT INTO im_user (user_id, nick_name, created, updated)
             SELECT n, 'user ' || n, 0, 0 FROM generate_series(1, $1::bigint) n`,
      values: [groupSuperMax + 1],
    })),
)

const users = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => String(from + at))
const make = (members: string[], more: object = {}) =>
  call('POST', '/v1/groups', { body: { owner_id: '1', members, ...more } })
const invite = (group_id: string, members: string[]) =>
  call('POST', `/v1/groups/${group_id}/members`, { body: { members } })

/** Owner included; more than one call may name are added call by call. */
async function groupOf(size: number) {
  const { status, body } = await make(users(2, Math.min(size, membersAtOnce)))
  assert.equal(status, 201, JSON.stringify(body))
  for (let from = membersAtOnce + 1; from <= size; from += membersAtOnce)
    await invite(body.group_id, users(from, Math.min(size, from + membersAtOnce - 1)))
  return (await call('GET', `/v1/groups/${body.group_id}`)).body
}

for (const [size, type] of [
  [1, 1],
  [2, 1],
  [groupNormalMax, 1],
  [groupNormalMax + 1, 2],
] as const)
  test(`a group of ${size} is made, and is of type ${type}`, async () => {
    const { member_count, group_type } = await groupOf(size)
    assert.deepEqual([member_count, group_type], [size, type])
  })

test('a group has 10,000 members, and no more; who is refused changes nothing', async () => {
  const { group_id, member_count, group_type, version } = await groupOf(groupSuperMax)
  assert.deepEqual([member_count, group_type], [groupSuperMax, 2])
  const one = await invite(group_id, [String(groupSuperMax + 1)])
  assert.deepEqual([one.status, one.body.error.code], [400, 'BAD_REQUEST'])
  assert.match(one.body.error.message, /at most 10000 members/)
  assert.equal((await call('GET', `/v1/groups/${group_id}`)).body.version, version)
  const gone = await call('DELETE', `/v1/groups/${group_id}/members`, { body: { members: ['2'] } })
  assert.equal(gone.body.member_count, groupSuperMax - 1)
  const again = await invite(group_id, [String(groupSuperMax + 1)])
  assert.equal(again.body.member_count, groupSuperMax)
})

test('who is named twice, and oneself, is one member', async () => {
  const made = await make(['2', '2', '1', '3', '1'])
  assert.equal(made.body.member_count, 3)
  assert.equal((await invite(made.body.group_id, ['4', '4', '1'])).body.member_count, 4)
})

test('with one unknown user among them nobody is added, and no group is made', async () => {
  const count = async () =>
    (await pool.query<{ count: number }>('SELECT count(*) FROM im_group')).rows[0]?.count
  const before = await count()
  const refused = await make(['2', unknown])
  assert.deepEqual([refused.status, refused.body.error.code], [404, 'NOT_FOUND'])
  assert.equal(await count(), before)
  const { group_id } = (await make(['2'])).body
  assert.equal((await invite(group_id, ['3', unknown])).status, 404)
  assert.equal((await call('GET', `/v1/groups/${group_id}`)).body.member_count, 2)
})

const tooLong: [string, object][] = [
  ['a name of 33 characters', { group_name: '茶'.repeat(33) }],
  ['an announcement of 1,025 characters', { announcement: '茶'.repeat(1_025) }],
  ['an intro of 1,025 bytes', { group_intro: 'x'.repeat(1_025) }],
  ['a join model that there is not', { join_model: 3 }],
  ['a be-invited model that there is not', { be_invite_model: 2 }],
]
for (const [what, profile] of tooLong)
  test(`${what} is refused, in a new group and in an old one`, async () => {
    const { group_id } = (await make([])).body
    for (const answer of [
      await make([], profile),
      await call('PATCH', `/v1/groups/${group_id}`, { body: profile }),
    ])
      assert.deepEqual([answer.status, answer.body.error.code], [400, 'BAD_REQUEST'])
  })

test('a name of 32 characters and an announcement of 1,024 fit', async () => {
  const profile = { group_name: '☕'.repeat(32), announcement: '☕'.repeat(1_024) }
  const { status, body } = await make([], profile)
  assert.deepEqual(
    [status, body.group_name, body.announcement],
    [201, profile.group_name, profile.announcement],
  )
})

test('two changes at the same moment, each against the other, leave one owner and every number once', async () => {
  const { group_id } = (await make(['2', '3'])).body
  const verb = (name: string, body: object) => call('POST', `/v1/groups/${group_id}:${name}`, { body })
  const answers = await Promise.all([
    verb('transfer', { owner_id: '2' }),
    verb('transfer', { owner_id: '3' }),
    call('DELETE', `/v1/groups/${group_id}/members`, { body: { members: ['3'] } }),
    call('PATCH', `/v1/groups/${group_id}`, { body: { group_name: 'one' } }),
    call('PATCH', `/v1/groups/${group_id}`, { body: { group_name: 'other' } }),
  ])
  for (const { status } of answers) assert.ok([200, 403, 404].includes(status), String(status))
  const { members } = (await call('GET', `/v1/groups/${group_id}/members`)).body
  const owners = members.filter(({ role }: { role: number }) => role === 2)
  const { owner_id } = (await call('GET', `/v1/groups/${group_id}`)).body
  assert.deepEqual(
    owners.map(({ user_id }: { user_id: string }) => user_id),
    [owner_id],
  )
  const { rows } = await pool.query<{ msg_id: number }>({
    text: 'SELECT msg_id FROM im_message_group WHERE group_id = $1 ORDER BY msg_id',
    values: [group_id],
  })
  assert.deepEqual(
    rows.map(({ msg_id }) => msg_id),
    rows.map((_, at) => at + 1),
  )
})
