/** Groups are made, changed and asked about over the wire, on two gateways (spec 1, 0x0501 … 0x0530). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CIM } from '../../proto/index.js'
import type { CommandName, WritableBodyOf } from '../../schemas/packets.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const { kCIM_ERR_BAD_REQUEST, kCIM_ERR_FORBIDDEN, kCIM_ERR_NOT_FOUND } = CIM.Def.CIMErrorCode
const added = CIM.Group.CIMGroupMemberChangedType.kCIM_GROUP_MEMBER_CHANGED_TYPE_ADD
const removed = CIM.Group.CIMGroupMemberChangedType.kCIM_GROUP_MEMBER_CHANGED_TYPE_DEL

let system: System
let crowd: Crowd
before(async () => {
  system = await startSystem({ gateways: 2, env: { RATE_LIMIT_PACKETS: '1000' } })
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
})

interface Person extends User {
  readonly device: Device
}

/** Somebody online on one of the two gateways. */
async function person(gateway: 0 | 1 = 0): Promise<Person> {
  const user = await crowd.newUser()
  const device = await crowd.online(user, { gateway: system.gateways[gateway]! })
  return { ...user, device }
}

async function create(owner: Person, members: readonly Person[], group_name = 'a group') {
  const { user_id } = owner
  const member_id_list = members.map((each) => each.user_id)
  const made = await owner.device.ask(
    'GROUP_CREATE_REQ',
    { user_id, group_name, member_id_list },
    'GROUP_CREATE_RSP',
  )
  assert.equal(made.result_code, 0)
  return made.group_info!.group_id
}

type Changing = {
  [Name in CommandName]: Name extends `${infer Stem}_REQ`
    ? `${Stem}_RSP` extends
        | 'GROUP_CREATE_RSP'
        | 'GROUP_INFO_RSP'
        | 'GROUP_LIST_RSP'
        | 'GROUP_MEMBER_LIST_RSP'
        | 'GROUP_JOIN_LIST_RSP'
      ? never
      : Name extends `GROUP_${string}`
        ? Name
        : never
    : never
}[CommandName]

/** The result_code of a command that changes a group. */
async function code<Name extends Changing>(
  by: Person,
  name: Name,
  body: Omit<WritableBodyOf<Name>, 'user_id'>,
): Promise<number> {
  const answer = name.replace('_REQ', '_RSP') as 'GROUP_EXIT_RSP'
  const request = { user_id: by.user_id, ...body } as unknown as WritableBodyOf<Name>
  return (await by.device.ask(name, request, answer)).result_code
}

/** The next notice of what waits for an answer in this group, or was refused. */
async function joinNotice(of: Person, group_id: number) {
  const { body } = await of.device.next('GROUP_JOIN_NOTIFY', { match: (each) => each.group_id === group_id })
  return { by: body.user_id, joins: body.join_list.map(({ user_id, kind, state }) => [user_id, kind, state]) }
}

const joinsOf = async ({ user_id, device }: Person, group_id?: number) =>
  (
    await device.ask('GROUP_JOIN_LIST_REQ', { user_id, group_id: group_id ?? null }, 'GROUP_JOIN_LIST_RSP')
  ).join_list.map((each) => [each.group_id, each.user_id, each.kind, each.state])

/** The next notice of who came or went in this group. */
async function notice(of: Person, group_id: number) {
  const { body } = await of.device.next('GROUP_MEMBER_CHANGED_NOTIFY', {
    match: (each) => each.group_id === group_id,
  })
  return { by: body.user_id, changed: body.changed_list.map(({ user_id, type }) => [user_id, type]) }
}

const numbersReceived = ({ device }: Person, group_id: number) =>
  new Set(
    device.journal
      .filter(({ kind, to_session_id }) => kind === 'received' && to_session_id === group_id)
      .map(({ server_msg_id }) => server_msg_id ?? 0),
  )

const listOf = async ({ user_id, device }: Person) =>
  (await device.ask('GROUP_LIST_REQ', { user_id }, 'GROUP_LIST_RSP')).group_version_list
const membersOf = ({ user_id, device }: Person, group_id: number) =>
  device.ask('GROUP_MEMBER_LIST_REQ', { user_id, group_id }, 'GROUP_MEMBER_LIST_RSP')
const infoOf = ({ user_id, device }: Person, group_id: number, group_version = 0) =>
  device.ask(
    'GROUP_INFO_REQ',
    { user_id, group_version_list: [{ group_id, group_version }] },
    'GROUP_INFO_RSP',
  )

test('a group is made; its members learn it on whatever gateway, and see it in their lists', async () => {
  const [ada, bo, cy] = [await person(0), await person(1), await person(0)]
  const group_id = await create(ada, [bo, cy], '茶 ☕')
  const all = [ada, bo, cy].map(({ user_id }) => [user_id, added])
  for (const each of [ada, bo, cy])
    assert.deepEqual(await notice(each, group_id), { by: ada.user_id, changed: all })
  assert.deepEqual(
    (await listOf(bo)).map(({ group_id, group_version }) => [group_id, group_version]),
    [[group_id, 1]],
  )
  const { group_info_list } = await infoOf(bo, group_id)
  const [info] = group_info_list
  assert.deepEqual(
    [info?.group_name, info?.group_owner_id, info?.group_type, info?.member_count, info?.group_version],
    ['茶 ☕', ada.user_id, 1, 3, 1],
  )
  assert.ok(Math.abs(info!.create_time! - Date.now() / 1_000) < 60)
  assert.deepEqual((await infoOf(bo, group_id, 1)).group_info_list, [])
  assert.deepEqual(
    (await membersOf(cy, group_id)).member_id_list,
    [ada, bo, cy].map(({ user_id }) => user_id),
  )
})

test('who is invited, removed and leaves is told to all, the removed included', async () => {
  const [ada, bo, cy, di] = [await person(0), await person(1), await person(1), await person(0)]
  const group_id = await create(ada, [bo])
  for (const each of [ada, bo]) await notice(each, group_id)

  assert.equal(
    await code(bo, 'GROUP_INVITE_MEMBER_REQ', { group_id, member_id_list: [cy.user_id, di.user_id] }),
    0,
  )
  for (const each of [ada, bo, cy, di])
    assert.deepEqual(await notice(each, group_id), {
      by: bo.user_id,
      changed: [
        [cy.user_id, added],
        [di.user_id, added],
      ],
    })

  assert.equal(await code(ada, 'GROUP_KICK_OUT_MEMBER_REQ', { group_id, member_id_list: [cy.user_id] }), 0)
  for (const each of [ada, bo, cy, di])
    assert.deepEqual(await notice(each, group_id), { by: ada.user_id, changed: [[cy.user_id, removed]] })

  assert.equal(await code(di, 'GROUP_EXIT_REQ', { group_id }), 0)
  for (const each of [ada, bo, di])
    assert.deepEqual(await notice(each, group_id), { by: di.user_id, changed: [[di.user_id, removed]] })
  await conditionHolds('bo was told of all four changes', () => numbersReceived(bo, group_id).size === 4)
  await Promise.all([cy, di].map(({ device }) => device.settle()))
  assert.deepEqual([...numbersReceived(cy, group_id)], [2], 'the removed see nothing of their removal')
  assert.deepEqual([...numbersReceived(di, group_id)], [2, 3], 'nor do those who left, of their leaving')
  assert.deepEqual(await listOf(cy), [])
  assert.deepEqual((await membersOf(bo, group_id)).member_id_list, [ada.user_id, bo.user_id])
})

test('each change is a NOTIFICATION for the members, also for the device that asked', async () => {
  const [ada, bo] = [await person(0), await person(1)]
  const group_id = await create(ada, [bo])
  assert.equal(await code(ada, 'GROUP_UPDATE_REQ', { group_id, group_name: 'renamed' }), 0)
  for (const each of [ada, bo])
    for (const [number, notification] of [
      [1, 'group.created'],
      [2, 'group.changed'],
    ] as const) {
      const { body } = await each.device.next('MSG_DATA', {
        match: ({ to_session_id, server_msg_id }) => to_session_id === group_id && server_msg_id === number,
      })
      const content = JSON.parse(Buffer.from(body.msg_data).toString())
      assert.deepEqual(
        [body.from_user_id, body.msg_type, body.session_type, content.notification, content.data.operator],
        [ada.user_id, 6, 2, notification, String(ada.user_id)],
      )
    }
})

test('roles, mutes and the transfer are made over the wire, by who may', async () => {
  const [ada, bo, cy] = [await person(0), await person(1), await person(0)]
  const group_id = await create(ada, [bo, cy])
  const role = { group_id, member_id_list: [bo.user_id], role: 1 }
  assert.equal(await code(bo, 'GROUP_SET_ROLE_REQ', role), kCIM_ERR_FORBIDDEN)
  assert.equal(await code(ada, 'GROUP_SET_ROLE_REQ', role), 0)
  assert.deepEqual((await membersOf(cy, group_id)).admin_id_list, [bo.user_id])
  const mute = { group_id, member_id_list: [cy.user_id], mute_until: Date.now() + 60_000 }
  assert.equal(await code(bo, 'GROUP_MUTE_REQ', mute), 0)
  assert.equal(await code(bo, 'GROUP_MUTE_REQ', { group_id, mute_model: 1 }), 0)
  assert.equal((await infoOf(cy, group_id)).group_info_list[0]?.mute_model, 1)
  assert.equal(await code(ada, 'GROUP_TRANSFER_REQ', { group_id, owner_id: bo.user_id }), 0)
  assert.equal((await infoOf(cy, group_id)).group_info_list[0]?.group_owner_id, bo.user_id)
  assert.equal(await code(ada, 'GROUP_DISBAND_REQ', { group_id }), kCIM_ERR_FORBIDDEN)
  assert.equal(await code(bo, 'GROUP_DISBAND_REQ', { group_id }), 0)
  assert.equal(await code(bo, 'GROUP_EXIT_REQ', { group_id }), kCIM_ERR_NOT_FOUND)
  assert.deepEqual(await listOf(bo), [])
})

test('an owner who leaves is followed by another member', async () => {
  const [ada, bo] = [await person(0), await person(1)]
  const group_id = await create(ada, [bo])
  assert.equal(await code(ada, 'GROUP_EXIT_REQ', { group_id }), 0)
  assert.equal((await infoOf(bo, group_id)).group_info_list[0]?.group_owner_id, bo.user_id)
})

test('what is not one’s own group is refused; what is no group is a BAD_REQUEST', async () => {
  const [ada, bo] = [await person(0), await person(1)]
  const group_id = await create(ada, [])
  const refusedWith = (result_code: number) => (error: Error) =>
    (error as Error & { result_code?: number }).result_code === result_code
  await assert.rejects(membersOf(bo, group_id), refusedWith(kCIM_ERR_FORBIDDEN))
  await assert.rejects(membersOf(bo, 2 ** 50), refusedWith(kCIM_ERR_NOT_FOUND))
  await assert.rejects(membersOf(bo, bo.user_id), refusedWith(kCIM_ERR_BAD_REQUEST))
  assert.equal((await infoOf(bo, group_id)).result_code, kCIM_ERR_NOT_FOUND)
  assert.equal(
    await code(bo, 'GROUP_INVITE_MEMBER_REQ', { group_id, member_id_list: [bo.user_id] }),
    kCIM_ERR_FORBIDDEN,
  )
  await assert.rejects(
    code(ada, 'GROUP_INVITE_MEMBER_REQ', { group_id, member_id_list: [] }),
    refusedWith(kCIM_ERR_BAD_REQUEST),
  )
  await assert.rejects(
    code({ ...ada, user_id: bo.user_id }, 'GROUP_EXIT_REQ', { group_id }),
    refusedWith(kCIM_ERR_FORBIDDEN),
  )
  const unknown = { user_id: ada.user_id, member_id_list: [888_888] }
  assert.equal(
    (await ada.device.ask('GROUP_CREATE_REQ', unknown, 'GROUP_CREATE_RSP')).result_code,
    kCIM_ERR_NOT_FOUND,
  )
})

test('who is removed while messages are on their way gets all that came before, and none after', async () => {
  const [ada, bo, cy] = [await person(0), await person(1), await person(1)]
  const group_id = await create(ada, [bo, cy])
  const sent = Array.from({ length: 60 }, (_, at) => {
    if (at === 20) void code(ada, 'GROUP_KICK_OUT_MEMBER_REQ', { group_id, member_id_list: [bo.user_id] })
    return (at % 2 ? ada : cy).device.send(group_id, `${at}`)
  })
  for (const [at, msg_id] of sent.entries())
    assert.equal((await (at % 2 ? ada : cy).device.acked(msg_id)).res_code, 0)
  const { body } = await cy.device.next('MSG_DATA', {
    match: ({ to_session_id, msg_data }) =>
      to_session_id === group_id && Buffer.from(msg_data).includes('group.members_removed'),
  })
  const removal = body.server_msg_id!
  const ofOthers = 32 // the creation, the removal, and what ada wrote
  await conditionHolds('cy has all', () => numbersReceived(cy, group_id).size === ofOthers)
  await conditionHolds('bo has all from before', () => numbersReceived(bo, group_id).size >= removal - 1)
  await bo.device.settle()
  assert.deepEqual(
    [...numbersReceived(bo, group_id)].sort((a, b) => a - b),
    Array.from({ length: removal - 1 }, (_, at) => at + 1),
  )
})

test('the muted, those who left, and all in a disbanded group are refused, each with its code', async () => {
  const [ada, bo, cy] = [await person(0), await person(1), await person(0)]
  const group_id = await create(ada, [bo, cy])
  const sendAs = async ({ device }: Person) => (await device.acked(device.send(group_id, 'may I?'))).res_code
  const { kCIM_RES_CODE_GROUP_NOT_EXIST, kCIM_RES_CODE_MUTED, kCIM_RES_CODE_NOT_GROUP_MEMBER } =
    CIM.Def.CIMResCode
  await code(ada, 'GROUP_MUTE_REQ', { group_id, member_id_list: [bo.user_id], mute_until: 2 ** 50 })
  assert.deepEqual([await sendAs(bo), await sendAs(cy)], [kCIM_RES_CODE_MUTED, 0])
  await code(ada, 'GROUP_MUTE_REQ', { group_id, member_id_list: [bo.user_id], mute_until: 0 })
  await code(ada, 'GROUP_MUTE_REQ', { group_id, mute_model: 1 })
  assert.deepEqual([await sendAs(ada), await sendAs(cy)], [0, kCIM_RES_CODE_MUTED])
  await code(ada, 'GROUP_MUTE_REQ', { group_id, mute_model: 0 })
  await code(cy, 'GROUP_EXIT_REQ', { group_id })
  assert.deepEqual([await sendAs(bo), await sendAs(cy)], [0, kCIM_RES_CODE_NOT_GROUP_MEMBER])
  await code(ada, 'GROUP_DISBAND_REQ', { group_id })
  assert.equal(await sendAs(ada), kCIM_RES_CODE_GROUP_NOT_EXIST)
})

test('what an app server does is told to the members as the owner’s deed', async () => {
  const [ada, bo] = [await person(0), await person(1)]
  const made = await system.api.post('/v1/groups', { owner_id: String(ada.user_id), group_name: 'given' })
  assert.equal(made.status, 201)
  const group_id = Number(made.body.group_id)
  await notice(ada, group_id)
  const joined = await system.api.post(`/v1/groups/${group_id}/members`, { members: [String(bo.user_id)] })
  assert.deepEqual([joined.status, joined.body.member_count], [200, 2])
  for (const each of [ada, bo])
    assert.deepEqual(await notice(each, group_id), { by: ada.user_id, changed: [[bo.user_id, added]] })
})

test('who applies is let in or kept out by the owner and admins, who all hear of it', async () => {
  const [ada, bo, cy, di] = [await person(0), await person(1), await person(1), await person(0)]
  const group_id = await create(ada, [bo])
  assert.equal(await code(cy, 'GROUP_APPLY_REQ', { group_id }), kCIM_ERR_FORBIDDEN)
  assert.equal(await code(ada, 'GROUP_UPDATE_REQ', { group_id, join_model: 1 }), 0)
  assert.equal(await code(ada, 'GROUP_SET_ROLE_REQ', { group_id, member_id_list: [bo.user_id], role: 1 }), 0)
  for (const each of [cy, di])
    assert.equal(await code(each, 'GROUP_APPLY_REQ', { group_id, join_text: 'let me in' }), 0)
  for (const each of [ada, bo, cy])
    assert.deepEqual(await joinNotice(each, group_id), { by: cy.user_id, joins: [[cy.user_id, 1, 1]] })
  assert.deepEqual(await joinsOf(bo, group_id), [
    [group_id, cy.user_id, 1, 1],
    [group_id, di.user_id, 1, 1],
  ])
  const answered = { group_id, member_id_list: [cy.user_id], agree: true }
  assert.equal(await code(cy, 'GROUP_ANSWER_APPLY_REQ', answered), kCIM_ERR_FORBIDDEN)
  assert.equal(await code(bo, 'GROUP_ANSWER_APPLY_REQ', answered), 0)
  for (const each of [ada, cy])
    await each.device.next('GROUP_MEMBER_CHANGED_NOTIFY', {
      match: ({ changed_list }) => changed_list.some(({ user_id }) => user_id === cy.user_id),
    })
  await conditionHolds('cy was told of it in the group', () => numbersReceived(cy, group_id).size === 1)
  assert.equal(
    await code(ada, 'GROUP_ANSWER_APPLY_REQ', { ...answered, member_id_list: [di.user_id], agree: false }),
    0,
  )
  await joinNotice(di, group_id)
  assert.deepEqual(await joinNotice(di, group_id), { by: ada.user_id, joins: [[di.user_id, 1, 2]] })
  assert.deepEqual([await joinsOf(ada, group_id), await joinsOf(di)], [[], [[group_id, di.user_id, 1, 2]]])
  await assert.rejects(joinsOf(cy, group_id), { result_code: kCIM_ERR_FORBIDDEN })
})

test('who is invited into a group that asks for consent is a member once they agree', async () => {
  const [ada, bo, cy] = [await person(0), await person(1), await person(0)]
  const group_id = await create(ada, [])
  assert.equal(await code(ada, 'GROUP_UPDATE_REQ', { group_id, be_invite_model: 1 }), 0)
  const member_id_list = [bo.user_id, cy.user_id]
  assert.equal(await code(ada, 'GROUP_INVITE_MEMBER_REQ', { group_id, member_id_list }), 0)
  for (const each of [bo, cy]) {
    assert.deepEqual(await joinNotice(each, group_id), { by: ada.user_id, joins: [[each.user_id, 2, 1]] })
    assert.deepEqual(await joinsOf(each), [[group_id, each.user_id, 2, 1]])
  }
  assert.deepEqual((await membersOf(ada, group_id)).member_id_list, [ada.user_id])
  assert.equal(await code(bo, 'GROUP_ANSWER_INVITE_REQ', { group_id, agree: true }), 0)
  assert.equal(await code(cy, 'GROUP_ANSWER_INVITE_REQ', { group_id, agree: false }), 0)
  await conditionHolds('ada was told that bo is in', () => numbersReceived(ada, group_id).size === 3)
  await conditionHolds('bo was, too', () => numbersReceived(bo, group_id).has(3))
  await ada.device.next('GROUP_JOIN_NOTIFY', { match: ({ user_id }) => user_id === cy.user_id })
  assert.deepEqual((await membersOf(ada, group_id)).member_id_list, [ada.user_id, bo.user_id])
  assert.equal(await code(cy, 'GROUP_ANSWER_INVITE_REQ', { group_id, agree: true }), kCIM_ERR_NOT_FOUND)
})
