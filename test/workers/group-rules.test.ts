/** Who may change what of a group: owner 1, admins 2 and 3, members 4 and 5, a stranger 9. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { type GroupCall, parseGroupCall } from '../../schemas/group-operations.js'
import { judge } from '../../workers/kit/group-rules.js'
import type { Group, GroupPlan, GroupState } from '../../workers/ports/groups.js'

const { kCIM_ERR_BAD_REQUEST, kCIM_ERR_FORBIDDEN, kCIM_ERR_NOT_FOUND } = CIM.Def.CIMErrorCode
const group_id = 2 ** 48
const limits = {
  GROUP_NORMAL_MAX: 6,
  GROUP_SUPER_MAX: 8,
  GROUP_JOIN_OPEN_MAX: 3,
  GROUP_JOIN_EXPIRES_MS: 60_000,
  BLOCKLIST_ON_INVITE: true,
}
const appServer = undefined

const group: Group = {
  group_id,
  group_name: 'tea',
  owner_id: 1,
  announcement: '',
  intro: '',
  avatar: '',
  group_type: 1,
  mute_model: 0,
  join_model: 0,
  be_invite_model: 0,
  version: 1,
  member_count: 5,
  disbanded: false,
  create_time: 0,
  update_time: 0,
}
const roles: readonly [number, number][] = [
  [1, 2],
  [2, 1],
  [3, 1],
  [4, 0],
  [5, 0],
]
const state: GroupState = {
  group,
  members: new Map(roles.map(([user_id, role]) => [user_id, { user_id, role, mute_until: 0 }])),
  users: new Map([1, 2, 3, 4, 5, 6, 7, 8, 9].map((user) => [user, `user ${user}`])),
  blockers: new Set([8]),
  joins: new Map(),
  openJoins: 0,
  heir: 2,
}

const call = (operation: string, given: object): GroupCall =>
  parseGroupCall(operation, JSON.stringify({ group_id, ...given }))
const verdictOf = (operation: string, operator: number | undefined, given: object = {}, now = state) =>
  judge({ call: call(operation, given), operator, limits }, now)

/** What is planned. @throws where it is not */
function planOf(operation: string, operator: number | undefined, given: object = {}, now = state): GroupPlan {
  const verdict = verdictOf(operation, operator, given, now)
  assert.equal(verdict.kind, 'planned', JSON.stringify(verdict))
  return (verdict as { plan: GroupPlan }).plan
}

const change = { change: { group_name: 'coffee' } }
const refusals: [string, string, number | undefined, object, number][] = [
  ['a stranger invites', 'invite', 9, { members: [6] }, kCIM_ERR_FORBIDDEN],
  ['an unknown user is invited', 'invite', 4, { members: [6, 77] }, kCIM_ERR_NOT_FOUND],
  ['more are invited than a group may have', 'invite', 1, { members: [6, 7, 8, 9] }, kCIM_ERR_BAD_REQUEST],
  ['a member removes another', 'kick', 4, { members: [5] }, kCIM_ERR_FORBIDDEN],
  ['an admin removes an admin', 'kick', 2, { members: [3, 4] }, kCIM_ERR_FORBIDDEN],
  ['an admin removes the owner', 'kick', 2, { members: [1] }, kCIM_ERR_FORBIDDEN],
  ['an app server removes the owner', 'kick', appServer, { members: [1] }, kCIM_ERR_FORBIDDEN],
  ['an admin removes itself', 'kick', 2, { members: [2] }, kCIM_ERR_BAD_REQUEST],
  ['nobody of those to be removed is a member', 'kick', 1, { members: [9] }, kCIM_ERR_NOT_FOUND],
  ['a stranger leaves', 'exit', 9, {}, kCIM_ERR_FORBIDDEN],
  ['an app server leaves', 'exit', appServer, {}, kCIM_ERR_BAD_REQUEST],
  ['an admin disbands', 'disband', 2, {}, kCIM_ERR_FORBIDDEN],
  ['a member renames', 'update', 4, change, kCIM_ERR_FORBIDDEN],
  ['an admin makes an admin', 'set-role', 2, { members: [4], role: 1 }, kCIM_ERR_FORBIDDEN],
  ['the owner makes a stranger an admin', 'set-role', 1, { members: [9], role: 1 }, kCIM_ERR_NOT_FOUND],
  ['the owner becomes an ordinary member', 'set-role', 1, { members: [1], role: 0 }, kCIM_ERR_BAD_REQUEST],
  ['a member mutes all', 'mute', 4, { members: [], mute_model: 1 }, kCIM_ERR_FORBIDDEN],
  ['an admin mutes an admin', 'mute', 2, { members: [3], mute_until: 5 }, kCIM_ERR_FORBIDDEN],
  ['an app server mutes the owner', 'mute', appServer, { members: [1], mute_until: 5 }, kCIM_ERR_FORBIDDEN],
  ['nothing is to be muted', 'mute', 1, { members: [] }, kCIM_ERR_BAD_REQUEST],
  ['members are muted until nobody knows when', 'mute', 1, { members: [4] }, kCIM_ERR_BAD_REQUEST],
  ['an admin gives the group away', 'transfer', 2, { owner_id: 2 }, kCIM_ERR_FORBIDDEN],
  ['the group is given to a stranger', 'transfer', 1, { owner_id: 9 }, kCIM_ERR_NOT_FOUND],
]
for (const [what, operation, operator, given, code] of refusals)
  test(`it is refused when ${what}`, () => {
    const verdict = verdictOf(operation, operator, given)
    assert.equal(verdict.kind === 'refused' && verdict.refusal.code, code, JSON.stringify(verdict))
  })

const allOperations: [string, object][] = [
  ['invite', { members: [6] }],
  ['kick', { members: [4] }],
  ['exit', {}],
  ['disband', {}],
  ['update', change],
  ['set-role', { members: [4], role: 1 }],
  ['mute', { members: [], mute_model: 1 }],
  ['transfer', { owner_id: 4 }],
]
for (const [operation, given] of allOperations)
  test(`${operation} in a group that is not there, or disbanded, is NOT_FOUND`, () => {
    const verdict = verdictOf(operation, 1, given, { ...state, group: undefined })
    assert.equal(verdict.kind === 'refused' && verdict.refusal.code, kCIM_ERR_NOT_FOUND)
  })

const unchanged: [string, object][] = [
  ['invite', { members: [4, 5] }],
  ['update', { change: { group_name: 'tea' } }],
  ['update', { change: {} }],
  ['set-role', { members: [2], role: 1 }],
  ['mute', { members: [], mute_model: 0 }],
  ['mute', { members: [4], mute_until: 0 }],
  ['transfer', { owner_id: 1 }],
]
for (const [operation, given] of unchanged)
  test(`${operation} with ${JSON.stringify(given)} finds it so already, and takes no number`, () => {
    assert.deepEqual(verdictOf(operation, 1, given), { kind: 'nothing' })
  })

test('who is invited twice, or is a member, is added once or not at all', () => {
  const plan = planOf('invite', 4, { members: [6, 6, 5, 7] })
  assert.deepEqual(plan.added, [6, 7])
  assert.deepEqual(plan.notification, {
    notification: 'group.members_added',
    data: { operator: '4', members: ['6', '7'] },
  })
})

test('a group becomes SUPER when it passes GROUP_NORMAL_MAX, and stays so', () => {
  assert.equal(planOf('invite', 4, { members: [6] }).group.group_type, 1)
  assert.equal(planOf('invite', 4, { members: [6, 7] }).group.group_type, 2)
  const large = { ...state, group: { ...group, group_type: 2 } }
  assert.equal(planOf('invite', 4, { members: [6] }, large).group.group_type, 2)
})

test('the join model says who invites', () => {
  const withModel = (join_model: number) => ({ ...state, group: { ...group, join_model } })
  const kindOf = (operator: number | undefined, join_model: number) =>
    verdictOf('invite', operator, { members: [6] }, withModel(join_model)).kind
  assert.deepEqual([kindOf(4, 0), kindOf(4, 1), kindOf(4, 2)], ['planned', 'refused', 'refused'])
  assert.deepEqual([kindOf(2, 1), kindOf(1, 2), kindOf(appServer, 2)], ['planned', 'refused', 'planned'])
})

test('an owner who leaves is followed by the heir, and the last one disbands the group', () => {
  const plan = planOf('exit', 1)
  assert.deepEqual([plan.removed, plan.group.owner_id, plan.roles], [[1], 2, [{ user_id: 2, role: 2 }]])
  assert.equal(plan.notification.data.owner, '2')
  const alone = planOf('exit', 1, {}, { ...state, blockers: new Set(), heir: undefined })
  assert.deepEqual([alone.removed, alone.group], [[1], { disbanded: true }])
  assert.deepEqual(planOf('exit', 4).group, {})
})

test('an app server acts as the owner', () => {
  for (const [operation, given] of allOperations.filter(([each]) => each !== 'exit'))
    assert.deepEqual([planOf(operation, appServer, given).from], [1], operation)
})

test('after a transfer there is one owner', () => {
  const plan = planOf('transfer', 1, { owner_id: 4 })
  assert.deepEqual(plan.roles, [
    { user_id: 1, role: 0 },
    { user_id: 4, role: 2 },
  ])
  assert.equal(plan.group.owner_id, 4)
})

test('a new group has its creator as owner, listed or not, once, and a name made of its members', () => {
  const nobody: GroupState = {
    ...state,
    group: undefined,
    members: new Map(),
    blockers: new Set(),
    heir: undefined,
  }
  for (const members of [[], [1], [1, 4, 4, 5]]) {
    const plan = planOf('create', 1, { owner_id: 1, members }, nobody)
    assert.deepEqual(plan.added, [...new Set([1, ...members])])
    assert.equal(plan.group.group_name, plan.added.map((user) => `user ${user}`).join(', '))
  }
  const code = (operator: number | undefined, given: object) => {
    const verdict = verdictOf('create', operator, given, nobody)
    return verdict.kind === 'refused' && verdict.refusal.code
  }
  assert.equal(code(1, { owner_id: 1, members: [77] }), kCIM_ERR_NOT_FOUND)
  assert.equal(code(2, { owner_id: 1, members: [] }), kCIM_ERR_FORBIDDEN)
  assert.equal(code(1, { owner_id: 1, members: [2, 3, 4, 5, 6, 7, 8, 9] }), kCIM_ERR_BAD_REQUEST)
  const named = planOf('create', 1, { owner_id: 1, members: [], group_name: 'mine' }, nobody)
  assert.equal(named.group.group_name, 'mine')
})

test('a made name is cut at 32 characters, none of them halved', () => {
  const nobody: GroupState = {
    group: undefined,
    members: new Map(),
    users: new Map([
      [1, '☕🍵'.repeat(16)],
      [2, 'b'],
    ]),
    blockers: new Set(),
    joins: new Map(),
    openJoins: 0,
    heir: undefined,
  }
  const { group_name = '' } = planOf('create', 1, { owner_id: 1, members: [2] }, nobody).group
  assert.equal(group_name, '☕🍵'.repeat(16))
})

test('a notification of 500 members fits into the largest message', () => {
  const ids = Array.from({ length: 499 }, (_, at) => 2 ** 48 - 1 - at)
  const crowd: GroupState = {
    group: undefined,
    members: new Map(),
    users: new Map([1, ...ids].map((user) => [user, 'x'])),
    blockers: new Set(),
    joins: new Map(),
    openJoins: 0,
    heir: undefined,
  }
  const verdict = judge(
    {
      call: call('create', { owner_id: 1, members: ids }),
      operator: 1,
      limits: { ...limits, GROUP_SUPER_MAX: 500 },
    },
    crowd,
  )
  assert.equal(verdict.kind, 'planned')
  const { notification } = (verdict as { plan: GroupPlan }).plan
  assert.ok(Buffer.byteLength(JSON.stringify(notification)) <= 32_768)
})

test('who blocked the inviter is not brought into a group by them, unless the setting lets it be', () => {
  const open = { ...limits, BLOCKLIST_ON_INVITE: false }
  const invitation = { call: call('invite', { members: [8] }), operator: 4 }
  assert.equal(judge({ ...invitation, limits: open }, state).kind, 'planned')
  for (const operation of ['invite', 'create']) {
    const given = operation === 'create' ? { owner_id: 1, members: [8] } : { members: [8] }
    const verdict = verdictOf(operation, 1, given)
    assert.equal(verdict.kind === 'refused' && verdict.refusal.code, kCIM_ERR_FORBIDDEN)
  }
})
