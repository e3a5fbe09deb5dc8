/** What the groups worker decides and answers; what may be changed is group-rules.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CIM, type coffeechat } from '../../proto/index.js'
import { type CommandName, commands } from '../../schemas/packets.js'
import { type AnyTopic, topics } from '../../schemas/topics.js'
import { groups } from '../../workers/groups.worker.js'
import type { Group, GroupOutcome } from '../../workers/ports/groups.js'
import type { PresentDevice } from '../../workers/ports/presence.js'

const { kCIM_ERR_FORBIDDEN } = CIM.Def.CIMErrorCode
const group_id = 2 ** 48
const place = { topic: 'any', partition: 0, offset: 0, appended: 0 }
const limits = {
  GROUP_NORMAL_MAX: 200,
  GROUP_SUPER_MAX: 10_000,
  GROUP_JOIN_OPEN_MAX: 3,
  GROUP_JOIN_EXPIRES_MS: 60_000,
  BLOCKLIST_ON_INVITE: true,
}
const loaded = { found: new Map(), limits }

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
  version: 3,
  member_count: 2,
  disbanded: false,
  create_time: 1_999,
  update_time: 2_000,
}

type Requested = coffeechat.event.IGroupRequested

const asked = (operation: string, given: unknown, command?: CommandName): Requested => ({
  origin: {
    gate_id: 'gate-1',
    gate_epoch: 1,
    connection_id: 2,
    login_number: command === undefined ? 0 : 9,
    user_id: command === undefined ? 0 : 1,
    device: { client_type: 2 },
    seq_num: 7,
  },
  time: 1,
  operation,
  arguments: typeof given === 'string' ? given : JSON.stringify(given),
  ...(command === undefined ? {} : { command_id: commands[command].id }),
})

const rowOf = (event: Requested) => {
  const [outcome] = groups.decide(event, loaded, place)
  assert.equal(outcome?.kind, 'save')
  return (outcome as Extract<typeof outcome, { kind: 'save' }>)!.row
}

const device = (user_id: number): PresentDevice => ({
  user_id,
  device: { client_type: 1 },
  gate_id: 'gate-2',
  gate_epoch: 5,
  connection_id: 100 + user_id,
  login_number: 1,
  since: 0,
})

/** What follows from an outcome, by topic. */
function after(event: Requested, outcome: GroupOutcome, devices: readonly PresentDevice[] = []) {
  const emits = groups.saved!(rowOf(event), { outcome, devices, from_nick_name: undefined })
  const of = (topic: AnyTopic) => emits.filter((each) => each.topic === topic).map((each) => each.event)
  const packets = (of(topics.gateOutbound) as coffeechat.event.IOutbound[]).flatMap(
    ({ packet }) => packet ?? [],
  )
  return { packets, fanned: of(topics.fanoutRequested), reported: of(topics.messageStored) }
}

const changedBy = (notification: string, members: readonly string[]): GroupOutcome => ({
  kind: 'changed',
  group,
  members: [1, 2],
  joins: { requests: [], admins: [] },
  notification: {
    from_user_id: 1,
    to_session_id: group_id,
    msg_id: 'g:abc',
    server_msg_id: 4,
    msg_type: 6,
    msg_data: Buffer.from(JSON.stringify({ notification, data: { operator: '1', members } })),
    attach: null,
    mention: [],
    stored_time: 5,
  },
})

const unusable: [string, unknown][] = [
  ['no-such-operation', {}],
  ['toString', {}],
  ['invite', { group_id }],
  ['invite', { group_id, members: [] }],
  ['invite', { group_id, members: [group_id] }],
  ['exit', { group_id: 7 }],
  ['create', { owner_id: 1, members: Array(501).fill(2) }],
  ['update', { group_id, change: { announcement: 'x'.repeat(1_025) } }],
  ['get', '{"group_id":'],
]
for (const [operation, given] of unusable)
  test(`${operation} with ${JSON.stringify(given).slice(0, 40)} is answered and goes to the dead letters`, () => {
    const outcomes = groups.decide(asked(operation, given), loaded, place)
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ['emit', 'reject'],
    )
  })

const invitation = { group_id, members: [2] }

test('a change is answered, fanned out, reported, and told to the devices of those it concerns', () => {
  const event = asked('invite', invitation, 'GROUP_INVITE_MEMBER_REQ')
  const { packets, fanned, reported } = after(event, changedBy('group.members_added', ['2']), [
    device(1),
    device(2),
  ])
  assert.deepEqual(
    packets.map(({ command_id }) => command_id),
    [commands.GROUP_INVITE_MEMBER_RSP.id, commands.GROUP_MEMBER_CHANGED_NOTIFY.id],
  )
  const told = commands.GROUP_MEMBER_CHANGED_NOTIFY.type.decode(packets[1]!.body)
  assert.deepEqual(
    told.changed_list.map(({ user_id, type }) => [user_id, type]),
    [[2, 1]],
  )
  assert.deepEqual(
    packets[1]?.target?.map(({ connection_id }) => connection_id),
    [101, 102],
  )
  assert.deepEqual([fanned.length, reported.length], [1, 1])
  const { ref, body, origin } = fanned[0] as coffeechat.event.IFanoutRequested
  assert.deepEqual([ref.conversation, ref.server_msg_id, ref.session_type], [`g:${group_id}`, 4, 2])
  assert.equal(commands.MSG_DATA.type.decode(body).msg_type, 6)
  assert.notDeepEqual(origin.device, event.origin.device)
})

test('who leaves gets no copy of the message that says so', () => {
  const copies = (kind: string) =>
    (
      after(asked('exit', { group_id }), changedBy(kind, ['1']))
        .fanned[0] as coffeechat.event.IFanoutRequested
    ).readers_only ?? false
  assert.deepEqual([copies('group.member_left'), copies('group.members_removed')], [true, false])
})

test('nothing but the answer follows from a refusal, and from what is so already', () => {
  const refusal = { code: kCIM_ERR_FORBIDDEN, reason: 'no' }
  for (const outcome of [
    { kind: 'refused', refusal },
    { kind: 'nothing', group, members: [1, 2] },
  ] as const) {
    const { packets, fanned, reported } = after(
      asked('invite', invitation, 'GROUP_INVITE_MEMBER_REQ'),
      outcome,
    )
    const [packet] = packets
    const { result_code } = commands.GROUP_INVITE_MEMBER_RSP.type.decode(packet!.body)
    assert.equal(result_code, outcome.kind === 'refused' ? kCIM_ERR_FORBIDDEN : 0)
    assert.deepEqual([packets.length, fanned.length, reported.length], [1, 0, 0])
  }
})

const notices: [string, number[], number | undefined][] = [
  ['group.created', [1, 2], 1],
  ['group.members_removed', [2], 2],
  ['group.member_left', [2], 2],
  ['group.disbanded', [], 2],
  ['group.changed', [], undefined],
  ['group.role_changed', [2], undefined],
]
for (const [kind, members, type] of notices)
  test(`${kind} is ${type === undefined ? 'no change of members' : `a change of members, type ${type}`}`, () => {
    const { packets } = after(asked('invite', invitation), changedBy(kind, members.map(String)), [device(1)])
    const notice = packets.find(({ command_id }) => command_id === commands.GROUP_MEMBER_CHANGED_NOTIFY.id)
    const types =
      notice &&
      commands.GROUP_MEMBER_CHANGED_NOTIFY.type.decode(notice.body).changed_list.map((each) => each.type)
    assert.deepEqual([...new Set(types)], type === undefined ? [] : [type])
  })

test('an app server is answered with a status and JSON', () => {
  const refusal = { code: kCIM_ERR_FORBIDDEN, reason: 'no' }
  const status = (operation: string, given: object, outcome: GroupOutcome) =>
    after(asked(operation, given), outcome).packets[0]?.http_status
  assert.equal(status('create', { owner_id: 1, members: [] }, changedBy('group.created', ['1'])), 201)
  assert.equal(status('invite', invitation, { kind: 'nothing', group, members: [] }), 200)
  assert.equal(status('invite', invitation, { kind: 'refused', refusal }), 403)
  assert.equal(status('invite', invitation, { kind: 'key-reused' }), 409)
})

test('a repeated record is the same change; another packet with the same seq_num is not', () => {
  const event = asked('invite', invitation, 'GROUP_INVITE_MEMBER_REQ')
  const idOf = (each: Requested) => rowOf(each).request.msg_id
  assert.equal(idOf(event), idOf(structuredClone(event)))
  assert.notEqual(idOf(event), idOf({ ...event, time: 2 }))
  assert.notEqual(idOf(event), idOf(asked('kick', invitation, 'GROUP_KICK_OUT_MEMBER_REQ')))
  const later = { ...event, time: 2, idempotency_key: 'k' }
  assert.equal(idOf({ ...event, idempotency_key: 'k' }), idOf(later))
  const other = asked('invite', { ...invitation, group_id: group_id + 1 })
  assert.notEqual(idOf(later), idOf({ ...other, idempotency_key: 'k' }))
})

test('info leaves out what the client has already', () => {
  const given = (group_version: number) => ({ groups: [{ group_id, group_version }] })
  const infos = (group_version: number) => {
    const event = asked('info', given(group_version), 'GROUP_INFO_REQ')
    const found = { groups: [group], versions: [], members: [], joins: [] }
    const [outcome] = groups.decide(event, { limits, found: new Map([[event, found]]) }, place)
    assert.equal(outcome?.kind, 'emit')
    const { packet } = (outcome as { event: coffeechat.event.IOutbound }).event
    return commands.GROUP_INFO_RSP.type.decode(packet![0]!.body).group_info_list
  }
  assert.deepEqual(infos(3), [])
  assert.deepEqual(
    infos(2).map(({ create_time, group_version }) => [create_time, group_version]),
    [[1, 3]],
  )
})
