/** Changes of groups on the real PostgreSQL: numbered, once, under the lock of the conversation. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { createGroupChanges } from '../../../infra/postgres/group-changes.js'
import { createGroupDirectory } from '../../../infra/postgres/groups.js'
import type { coffeechat } from '../../../proto/index.js'
import { groups } from '../../../workers/groups.worker.js'
import type { GroupOutcome, GroupRequest } from '../../../workers/ports/groups.js'
import { populated } from '../../helpers/populated.js'

let pool: pg.Pool
let close: () => Promise<void>
before(async () => {
  ;({ pool, close } = await populated(300, { gone: 99 }))
})
after(() => close())

const limits = {
  GROUP_NORMAL_MAX: 200,
  GROUP_SUPER_MAX: 250,
  GROUP_JOIN_OPEN_MAX: 3,
  GROUP_JOIN_EXPIRES_MS: 60_000,
  BLOCKLIST_ON_INVITE: true,
}
const place = { topic: 'any', partition: 0, offset: 0, appended: 0 }
let connection_id = 0

interface By {
  /** 0: an app server. */
  readonly operator: number
  readonly key?: string
}

/** A request as the worker makes it of an event. */
function requestOf(operation: string, given: object, { operator, key }: By): GroupRequest {
  const event: coffeechat.event.IGroupRequested = {
    origin: {
      gate_id: 'gate-1',
      gate_epoch: 1,
      connection_id: ++connection_id,
      login_number: operator,
      user_id: operator,
      device: { client_type: 2 },
      seq_num: 1,
    },
    time: 1,
    operation,
    arguments: JSON.stringify(given),
    ...(key === undefined ? {} : { idempotency_key: key }),
  }
  const [outcome] = groups.decide(event, { found: new Map(), limits }, place)
  assert.equal(outcome?.kind, 'save')
  return (outcome as { row: { request: GroupRequest } }).row.request
}

async function apply(request: GroupRequest): Promise<GroupOutcome> {
  const [outcome] = await createGroupChanges(pool, { writeDiffusionMax: 500 }).apply([request])
  return outcome!
}

const change = (operation: string, given: object, by: By) => apply(requestOf(operation, given, by))

/** The outcome of what must succeed. */
async function changed(operation: string, given: object, by: By) {
  const outcome = await change(operation, given, by)
  assert.equal(outcome.kind, 'changed', JSON.stringify(outcome))
  return outcome as Extract<GroupOutcome, { kind: 'changed' }>
}

async function newGroup(owner: number, members: readonly number[]): Promise<number> {
  const { group } = await changed('create', { owner_id: owner, members }, { operator: owner })
  return group.group_id
}

interface MemberRow {
  readonly user_id: number
  readonly role: number
  readonly joined_at_msg_id: number
  readonly left_at_msg_id: number | null
}
const membersOf = async (group_id: number) =>
  (
    await pool.query<MemberRow>({
      text: `SELECT user_id, role, joined_at_msg_id, left_at_msg_id FROM im_group_member
              WHERE group_id = $1 ORDER BY user_id`,
      values: [group_id],
    })
  ).rows

/** What the group's members were told, by number. */
async function told(group_id: number) {
  const { rows } = await pool.query<{ msg_id: number; msg_from: number; content: Buffer }>({
    text: 'SELECT msg_id, msg_from, content FROM im_message_group WHERE group_id = $1 ORDER BY msg_id',
    values: [group_id],
  })
  return rows.map(({ msg_id, msg_from, content }) => [
    msg_id,
    msg_from,
    JSON.parse(content.toString()).notification,
  ])
}

test('a group is made with its members, its conversation and its message number 1', async () => {
  const { group, members, notification } = await changed(
    'create',
    { owner_id: 1, members: [2, 3, 2, 1], group_name: '茶 ☕', announcement: 'é' },
    { operator: 1 },
  )
  assert.ok(group.group_id >= 2 ** 48)
  assert.deepEqual(
    [group.group_name, group.announcement, group.owner_id, group.group_type, group.version],
    ['茶 ☕', 'é', 1, 1, 1],
  )
  assert.deepEqual([group.member_count, members], [3, [1, 2, 3]])
  assert.deepEqual([notification.server_msg_id, notification.from_user_id, notification.msg_type], [1, 1, 6])
  assert.ok(notification.msg_id.length <= 64)
  assert.deepEqual(
    (await membersOf(group.group_id)).map(({ user_id, role, joined_at_msg_id }) => [
      user_id,
      role,
      joined_at_msg_id,
    ]),
    [
      [1, 2, 1],
      [2, 0, 1],
      [3, 0, 1],
    ],
  )
  const { rows } = await pool.query({
    text: 'SELECT user_id, last_msg_id, unread FROM im_session WHERE session_type = 2 AND peer_id = $1',
    values: [group.group_id],
  })
  assert.deepEqual(rows, [{ user_id: 1, last_msg_id: 1, unread: 0 }])
})

test('each change takes the next number; one that changes nothing, or is refused, takes none', async () => {
  const group_id = await newGroup(1, [2, 3])
  const by = { operator: 1 }
  await changed('invite', { group_id, members: [4, 5] }, by)
  assert.equal((await change('invite', { group_id, members: [4] }, by)).kind, 'nothing')
  assert.equal((await change('kick', { group_id, members: [4] }, { operator: 5 })).kind, 'refused')
  await changed('update', { group_id, change: { group_name: 'new', announcement: 'hear' } }, by)
  await changed('set-role', { group_id, members: [2], role: 1 }, by)
  await changed('mute', { group_id, members: [3], mute_until: 2 ** 52 }, { operator: 2 })
  await changed('mute', { group_id, members: [], mute_model: 1 }, by)
  await changed('kick', { group_id, members: [4] }, { operator: 2 })
  await changed('exit', { group_id }, { operator: 5 })
  const { group } = await changed('transfer', { group_id, owner_id: 2 }, { operator: 0 })
  assert.deepEqual(
    [group.group_name, group.announcement, group.owner_id, group.mute_model, group.member_count],
    ['new', 'hear', 2, 1, 3],
  )
  assert.equal(group.version, 9)
  assert.deepEqual(await told(group_id), [
    [1, 1, 'group.created'],
    [2, 1, 'group.members_added'],
    [3, 1, 'group.changed'],
    [4, 1, 'group.role_changed'],
    [5, 2, 'group.muted'],
    [6, 1, 'group.muted'],
    [7, 2, 'group.members_removed'],
    [8, 5, 'group.member_left'],
    [9, 1, 'group.owner_changed'],
  ])
  assert.deepEqual(
    (await membersOf(group_id)).map(({ user_id, role, left_at_msg_id }) => [user_id, role, left_at_msg_id]),
    [
      [1, 0, null],
      [2, 2, null],
      [3, 0, null],
      [4, 0, 7],
      [5, 0, 8],
    ],
  )
})

test('a request that comes again is answered as the first time and changes nothing, whatever happened since', async () => {
  const group_id = await newGroup(1, [2])
  const invitation = requestOf('invite', { group_id, members: [3] }, { operator: 1 })
  const first = await apply(invitation)
  await changed('kick', { group_id, members: [3] }, { operator: 1 })
  const again = await apply(invitation)
  assert.equal(first.kind === 'changed' && again.kind === 'changed', true)
  if (first.kind !== 'changed' || again.kind !== 'changed') return
  assert.deepEqual(again.notification, first.notification)
  assert.deepEqual(again.members, [1, 2])

  const creation = requestOf('create', { owner_id: 5, members: [6] }, { operator: 5 })
  const [one, two] = [await apply(creation), await apply(creation)]
  assert.deepEqual(one, two)

  const ending = requestOf('disband', { group_id }, { operator: 1 })
  assert.deepEqual(await apply(ending), await apply(ending))
})

test('an Idempotency-Key names one change of a group, and no other', async () => {
  const group_id = await newGroup(1, [2, 3])
  const by = { operator: 0, key: randomUUID() }
  const given = { group_id, owner_id: 2 }
  await changed('transfer', given, by)
  const again = await changed('transfer', given, by)
  assert.deepEqual([again.notification.server_msg_id, again.group.owner_id], [2, 2])
  assert.equal((await change('transfer', { group_id, owner_id: 3 }, by)).kind, 'key-reused')
  const other = await newGroup(2, [3])
  await changed('transfer', { group_id: other, owner_id: 3 }, by)
})

test('two owners of one partition make one group and one change of each request', async () => {
  const creation = requestOf('create', { owner_id: 10, members: [11] }, { operator: 10 })
  const made = await Promise.all([creation, creation, creation].map(apply))
  const ids = new Set(made.map((each) => each.kind === 'changed' && each.group.group_id))
  assert.equal(ids.size, 1)
  const [group_id] = ids
  const request = requestOf('invite', { group_id, members: [12] }, { operator: 10 })
  await Promise.all([request, request, request].map(apply))
  assert.deepEqual((await told(Number(group_id))).length, 2)
})

test('changes at the same moment are numbered without a hole, and only one owner remains', async () => {
  const group_id = await newGroup(20, [21, 22, 23, 24])
  await Promise.all([
    change('transfer', { group_id, owner_id: 21 }, { operator: 20 }),
    change('transfer', { group_id, owner_id: 22 }, { operator: 20 }),
    change('exit', { group_id }, { operator: 20 }),
    change('invite', { group_id, members: [25] }, { operator: 23 }),
    change('exit', { group_id }, { operator: 24 }),
  ])
  const numbers = (await told(group_id)).map(([number]) => number)
  assert.deepEqual(
    numbers,
    numbers.map((_, at) => at + 1),
  )
  const owners = (await membersOf(group_id)).filter(({ role }) => role === 2)
  assert.equal(owners.length, 1)
  const [group] = await createGroupDirectory(pool).of([group_id])
  const present = (await membersOf(group_id)).filter(({ left_at_msg_id }) => left_at_msg_id === null)
  assert.deepEqual([group?.owner_id, group?.member_count], [owners[0]?.user_id, present.length])
})

test('an owner who leaves is followed by an admin, else by who joined first; the last one ends the group', async () => {
  const group_id = await newGroup(30, [31, 32, 33])
  await changed('set-role', { group_id, members: [33], role: 1 }, { operator: 30 })
  assert.equal((await changed('exit', { group_id }, { operator: 30 })).group.owner_id, 33)
  assert.equal((await changed('exit', { group_id }, { operator: 33 })).group.owner_id, 31)
  await changed('exit', { group_id }, { operator: 31 })
  const { group, members } = await changed('exit', { group_id }, { operator: 32 })
  assert.deepEqual([group.disbanded, group.member_count, members], [true, 0, []])
  assert.equal((await change('invite', { group_id, members: [30] }, { operator: 0 })).kind, 'refused')
})

test('joining again starts a new horizon, with nothing unread from before', async () => {
  const group_id = await newGroup(40, [41])
  await pool.query({
    text: `INSERT INTO im_session (user_id, session_type, peer_id, last_msg_id, unread, created, updated)
           VALUES (41, 2, $1, 1, 7, 0, 0)`,
    values: [group_id],
  })
  await changed('exit', { group_id }, { operator: 41 })
  await changed('invite', { group_id, members: [41] }, { operator: 40 })
  const member = (await membersOf(group_id)).find(({ user_id }) => user_id === 41)
  assert.deepEqual([member?.joined_at_msg_id, member?.left_at_msg_id], [3, null])
  const { rows } = await pool.query({
    text: 'SELECT unread, read_msg_id FROM im_session WHERE user_id = 41 AND session_type = 2 AND peer_id = $1',
    values: [group_id],
  })
  assert.deepEqual(rows, [{ unread: 0, read_msg_id: 2 }])
})

test('who leaves keeps the session as it was', async () => {
  const group_id = await newGroup(45, [46])
  await changed('exit', { group_id }, { operator: 45 })
  const { rows } = await pool.query({
    text: 'SELECT last_msg_id FROM im_session WHERE user_id = 45 AND session_type = 2 AND peer_id = $1',
    values: [group_id],
  })
  assert.deepEqual(rows, [{ last_msg_id: 1 }])
})

test('201 members make a group SUPER; GROUP_SUPER_MAX and one is refused; so are users who are not', async () => {
  const ids = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at)
  const group_id = await newGroup(100, ids(101, 299))
  const by = { operator: 100 }
  const directory = createGroupDirectory(pool)
  assert.deepEqual(
    (await directory.of([group_id])).map((each) => [each.member_count, each.group_type]),
    [[200, 1]],
  )
  assert.equal((await changed('invite', { group_id, members: [300] }, by)).group.group_type, 2)
  assert.equal((await change('invite', { group_id, members: ids(1, 50) }, by)).kind, 'refused')
  for (const nobody of [99, 1_000])
    assert.equal((await change('invite', { group_id, members: [1, nobody] }, by)).kind, 'refused')
  assert.equal((await changed('invite', { group_id, members: ids(1, 49) }, by)).group.member_count, 250)
})

test('the directory lists groups of a user, and members page by page', async () => {
  const [one, two] = [await newGroup(60, [61, 62, 63]), await newGroup(61, [])]
  const gone = await newGroup(61, [60])
  await changed('disband', { group_id: gone }, { operator: 61 })
  const directory = createGroupDirectory(pool)
  assert.deepEqual(await directory.ofUser(61), [
    { group_id: one, version: 1 },
    { group_id: two, version: 1 },
  ])
  assert.deepEqual(
    (await directory.of([one, two, gone, 2 ** 50], 60)).map(({ group_id }) => group_id),
    [one, gone],
  )
  const page = async (after: number, limit: number | undefined) =>
    (await directory.members({ group_id: one, after, limit })).map(({ user_id }) => user_id)
  assert.deepEqual(
    [await page(0, 2), await page(61, 2)],
    [
      [60, 61],
      [62, 63],
    ],
  )
  assert.deepEqual(await page(0, undefined), [60, 61, 62, 63])
  assert.deepEqual(await directory.member(one, 60), { user_id: 60, role: 2, mute_until: 0 })
  assert.equal(await directory.member(two, 60), undefined)
})

test('an application or invitation that comes again is told again, and written once', async () => {
  const group_id = await newGroup(1, [2])
  const models = { join_model: 1, be_invite_model: 1 }
  await changed('update', { group_id, change: models }, { operator: 1 })
  const twice = async (operation: string, given: object, operator: number) => {
    const request = requestOf(operation, { group_id, ...given }, { operator })
    const outcomes = [await apply(request), await apply(request)]
    assert.deepEqual(outcomes[0], outcomes[1])
    const [outcome] = outcomes
    return outcome?.kind === 'asked' || outcome?.kind === 'changed'
      ? [
          outcome.kind,
          outcome.joins.requests.map(({ user_id, state }) => [user_id, state]),
          outcome.joins.admins,
        ]
      : outcome?.kind
  }
  assert.deepEqual(await twice('apply', { user_id: 3 }, 3), ['asked', [[3, 1]], [1]])
  assert.deepEqual(await twice('apply', { user_id: 4 }, 4), ['asked', [[4, 1]], [1]])
  assert.deepEqual(await twice('answer-apply', { members: [3], agree: false }, 1), ['asked', [[3, 2]], [1]])
  assert.deepEqual(await twice('invite', { members: [4, 5] }, 1), ['changed', [[5, 1]], [1]])
  assert.equal((await change('invite', { group_id, members: [5] }, { operator: 1 })).kind, 'nothing')
  assert.deepEqual(await twice('answer-invite', { user_id: 5, agree: true }, 5), ['changed', [], []])
  assert.deepEqual(
    (await membersOf(group_id)).map(({ user_id, joined_at_msg_id }) => [user_id, joined_at_msg_id]),
    [
      [1, 1],
      [2, 1],
      [4, 3],
      [5, 4],
    ],
  )
})
