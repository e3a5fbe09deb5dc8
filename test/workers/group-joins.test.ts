/** Who becomes a member of a group, and whom that needs: owner 1, admin 2, member 4; 6 has applied, 7 is invited. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { parseGroupCall } from '../../schemas/group-operations.js'
import { judge } from '../../workers/kit/group-rules.js'
import type { Group, GroupState, JoinChange } from '../../workers/ports/groups.js'

const { kCIM_ERR_BAD_REQUEST, kCIM_ERR_FORBIDDEN, kCIM_ERR_NOT_FOUND, kCIM_ERR_RATE_LIMITED } =
  CIM.Def.CIMErrorCode
const group_id = 2 ** 48
const limits = {
  GROUP_NORMAL_MAX: 4,
  GROUP_SUPER_MAX: 6,
  GROUP_JOIN_OPEN_MAX: 3,
  GROUP_JOIN_EXPIRES_MS: 60_000,
  BLOCKLIST_ON_INVITE: true,
}
const [byInvitation, byApproval, notAtAll] = [0, 1, 2]
const [application, invitation] = [1, 2]
const [open, refused] = [1, 2]
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
  join_model: byApproval,
  be_invite_model: 1,
  version: 1,
  member_count: 3,
  disbanded: false,
  create_time: 0,
  update_time: 0,
}
const joins: readonly JoinChange[] = [
  { user_id: 6, kind: application, from_user_id: 6, state: open, join_text: 'please' },
  { user_id: 7, kind: invitation, from_user_id: 2, state: open, join_text: '' },
]
const roles: readonly [number, number][] = [
  [1, 2],
  [2, 1],
  [4, 0],
]
const state: GroupState = {
  group,
  members: new Map(roles.map(([user_id, role]) => [user_id, { user_id, role, mute_until: 0 }])),
  users: new Map([1, 2, 4, 5, 6, 7, 8, 9].map((user) => [user, `user ${user}`])),
  joins: new Map(joins.map((each) => [each.user_id, each])),
  openJoins: 2,
  blockers: new Set(),
  heir: 2,
}
const of = (models: Partial<Group>, more: Partial<GroupState> = {}): GroupState => ({
  ...state,
  ...more,
  group: { ...group, ...models },
})

const verdictOf = (operation: string, operator: number | undefined, given: object, now = state) =>
  judge({ call: parseGroupCall(operation, JSON.stringify({ group_id, ...given })), operator, limits }, now)

/** Who joins, from whom the message is, and what else is asked or refused. */
function outcomeOf(...asked: Parameters<typeof verdictOf>) {
  const verdict = verdictOf(...asked)
  const shown = (changes: readonly JoinChange[]) =>
    changes.map(({ user_id, kind, from_user_id, state }) => [user_id, kind, from_user_id, state])
  if (verdict.kind === 'planned') {
    const { plan } = verdict
    assert.equal(plan.notification.notification, 'group.members_added')
    return { from: plan.from, added: plan.added, asked: shown(plan.joins) }
  }
  if (verdict.kind === 'asked') return { asked: shown(verdict.joins) }
  return verdict.kind === 'refused' ? verdict.refusal.code : verdict.kind
}

const rows: [string, Parameters<typeof verdictOf>, unknown][] = [
  // applications
  ['an application waits', ['apply', 9, { user_id: 9 }], { asked: [[9, application, 9, open]] }],
  [
    'an app server applies for a user',
    ['apply', appServer, { user_id: 9 }],
    { asked: [[9, application, 9, open]] },
  ],
  ['the same application again changes nothing', ['apply', 6, { user_id: 6 }], 'nothing'],
  ['a member who applies changes nothing', ['apply', 4, { user_id: 4 }], 'nothing'],
  ['who is invited and applies joins', ['apply', 7, { user_id: 7 }], { from: 7, added: [7], asked: [] }],
  ['an unknown user cannot apply', ['apply', appServer, { user_id: 77 }], kCIM_ERR_NOT_FOUND],
  [
    'nobody applies where one is invited',
    ['apply', 9, { user_id: 9 }, of({ join_model: byInvitation })],
    kCIM_ERR_FORBIDDEN,
  ],
  [
    'nobody applies where nobody can join',
    ['apply', 9, { user_id: 9 }, of({ join_model: notAtAll })],
    kCIM_ERR_FORBIDDEN,
  ],
  [
    'nobody applies to a full group',
    ['apply', 9, { user_id: 9 }, of({ member_count: 6 })],
    kCIM_ERR_BAD_REQUEST,
  ],
  [
    'one more than may wait is refused',
    ['apply', 9, { user_id: 9 }, of({}, { openJoins: 3 })],
    kCIM_ERR_RATE_LIMITED,
  ],
  // their answers
  [
    'an admin approves; the message is the admin’s',
    ['answer-apply', 2, { members: [6, 6], agree: true }],
    { from: 2, added: [6], asked: [] },
  ],
  [
    'an app server approves as the owner',
    ['answer-apply', appServer, { members: [6], agree: true }],
    { from: 1, added: [6], asked: [] },
  ],
  ['a member approves of nobody', ['answer-apply', 4, { members: [6], agree: true }], kCIM_ERR_FORBIDDEN],
  ['a stranger approves of nobody', ['answer-apply', 6, { members: [6], agree: true }], kCIM_ERR_FORBIDDEN],
  [
    'a refusal keeps who applied out',
    ['answer-apply', 2, { members: [6], agree: false }],
    { asked: [[6, application, 6, refused]] },
  ],
  [
    'an admin withdraws an invitation',
    ['answer-apply', 2, { members: [7], agree: false }],
    { asked: [[7, invitation, 2, refused]] },
  ],
  [
    'nobody is approved without an application',
    ['answer-apply', 2, { members: [9], agree: true }],
    kCIM_ERR_NOT_FOUND,
  ],
  ['the invited are not approved', ['answer-apply', 2, { members: [7], agree: true }], kCIM_ERR_NOT_FOUND],
  ['approved twice is approved', ['answer-apply', 2, { members: [4], agree: true }], 'nothing'],
  [
    'nobody is approved into a full group',
    ['answer-apply', 2, { members: [6], agree: true }, of({ member_count: 6 })],
    kCIM_ERR_BAD_REQUEST,
  ],
  // invitations
  [
    'the invited are asked, who has applied joins',
    ['invite', 2, { members: [6, 9] }],
    { from: 2, added: [6], asked: [[9, invitation, 2, open]] },
  ],
  ['an invitation again changes nothing', ['invite', 2, { members: [7] }], 'nothing'],
  ['an app server asks nobody', ['invite', appServer, { members: [9] }], { from: 1, added: [9], asked: [] }],
  [
    'without the model nobody is asked',
    ['invite', 2, { members: [9] }, of({ be_invite_model: 0 })],
    { from: 2, added: [9], asked: [] },
  ],
  [
    'a member invites nobody where joining needs approval',
    ['invite', 4, { members: [9] }],
    kCIM_ERR_FORBIDDEN,
  ],
  [
    'a member invites where that is allowed',
    ['invite', 4, { members: [9] }, of({ join_model: byInvitation })],
    { asked: [[9, invitation, 4, open]] },
  ],
  ['more invitations than may wait are refused', ['invite', 2, { members: [8, 9] }], kCIM_ERR_RATE_LIMITED],
  // their answers
  [
    'who accepts joins; the message is theirs',
    ['answer-invite', 7, { user_id: 7, agree: true }],
    { from: 7, added: [7], asked: [] },
  ],
  [
    'who refuses stays out',
    ['answer-invite', 7, { user_id: 7, agree: false }],
    { asked: [[7, invitation, 2, refused]] },
  ],
  [
    'nobody accepts what was not asked',
    ['answer-invite', 9, { user_id: 9, agree: true }],
    kCIM_ERR_NOT_FOUND,
  ],
  [
    'who has applied has nothing to accept',
    ['answer-invite', 6, { user_id: 6, agree: true }],
    kCIM_ERR_NOT_FOUND,
  ],
  ['accepted twice is accepted', ['answer-invite', 4, { user_id: 4, agree: true }], 'nothing'],
  [
    'a member does not refuse, but leaves',
    ['answer-invite', 4, { user_id: 4, agree: false }],
    kCIM_ERR_BAD_REQUEST,
  ],
  [
    'an invitation is void where nobody can join any more',
    ['answer-invite', 7, { user_id: 7, agree: true }, of({ join_model: notAtAll })],
    kCIM_ERR_FORBIDDEN,
  ],
  [
    'nobody accepts into a full group',
    ['answer-invite', 7, { user_id: 7, agree: true }, of({ member_count: 6 })],
    kCIM_ERR_BAD_REQUEST,
  ],
]
for (const [what, asked, expected] of rows) test(what, () => assert.deepEqual(outcomeOf(...asked), expected))

test('who accepts or is approved may make a group SUPER, and an invited one’s message names who invited', () => {
  const verdict = verdictOf('answer-invite', 7, { user_id: 7, agree: true }, of({ member_count: 4 }))
  assert.equal(verdict.kind, 'planned')
  const { plan } = verdict as Extract<typeof verdict, { kind: 'planned' }>
  assert.deepEqual(
    [plan.group.group_type, plan.notification.data],
    [2, { inviter: '2', operator: '7', members: ['7'] }],
  )
})

test('the group’s models are set with it, and by who may change it', () => {
  const made = verdictOf(
    'create',
    1,
    { owner_id: 1, members: [], join_model: 1, be_invite_model: 1 },
    {
      ...state,
      group: undefined,
    },
  )
  const changed = verdictOf('update', 2, { change: { join_model: 2, be_invite_model: 0 } })
  const models = (verdict: typeof made) =>
    verdict.kind === 'planned' && [verdict.plan.group.join_model, verdict.plan.group.be_invite_model]
  assert.deepEqual(
    [models(made), models(changed)],
    [
      [1, 1],
      [2, 0],
    ],
  )
})
