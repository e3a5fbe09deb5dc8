/** Storing and fanning out group messages on the real PostgreSQL: promises I1, I2, I4 and I6 for groups. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import {
  createAckStore,
  createDeliveryStates,
  createMessageReader,
} from '../../../infra/postgres/deliveries.js'
import { createGroupFanout } from '../../../infra/postgres/fanout.js'
import { createMessageStore } from '../../../infra/postgres/messages.js'
import { createPool } from '../../../infra/postgres/pool.js'
import { conversationOf } from '../../../schemas/ids.js'
import type { NewMessage } from '../../../workers/ports/messages.js'
import { type FreshDatabase, freshDatabase } from '../../helpers/database.js'
import { insertGroup } from '../../helpers/group-rows.js'
import { silentLog } from '../../helpers/log.js'

const notification = 6
const deactivated = 99

let database: FreshDatabase
let pool: pg.Pool

before(async () => {
  database = await freshDatabase()
  pool = createPool(database.url, 10, silentLog)
  await pool.query(
    `INSERT INTO im_user (user_id, nick_name, created, updated, active)
     SELECT n, 'user ' || n, 0, 0, n <> ${deactivated} FROM generate_series(1, 3000) n`,
  )
})
after(async () => {
  await pool.end()
  await database.drop()
})

const message = (from: number, to: number, more: Partial<NewMessage> = {}): NewMessage => ({
  from_user_id: from,
  to_session_id: to,
  msg_id: randomUUID(),
  conversation: conversationOf(from, to),
  msg_type: 1,
  msg_data: Buffer.from('hello'),
  attach: null,
  mention: [],
  msg_seq: 1,
  client_type: 2,
  ...more,
})

const store = (...messages: NewMessage[]) => createMessageStore(pool).store(messages)
const fanOut = (group_id: number, ...numbers: number[]) =>
  createGroupFanout(pool).fanOut(numbers.map((server_msg_id) => ({ group_id, server_msg_id })))
const numbers = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, at) => first + at)

/** `[last_msg_id, unread]` of each of these users' sessions with the group. */
async function sessions(group: number, ...users: number[]): Promise<([number, number] | undefined)[]> {
  const { rows } = await pool.query<{ user_id: number; last_msg_id: number; unread: number }>({
    text: 'SELECT user_id, last_msg_id, unread FROM im_session WHERE session_type = 2 AND peer_id = $1',
    values: [group],
  })
  return users.map((user) => {
    const row = rows.find((each) => each.user_id === user)
    return row && [row.last_msg_id, row.unread]
  })
}

async function rowsOf(group: number): Promise<[number, number][]> {
  const { rows } = await pool.query<{ msg_to: number; msg_id: number }>({
    text: 'SELECT msg_to, msg_id FROM im_message_recv WHERE group_id = $1 ORDER BY msg_to, msg_id',
    values: [group],
  })
  return rows.map(({ msg_to, msg_id }) => [msg_to, msg_id])
}

test('numbers go on from those of the group, whoever writes, one sequence per group', async () => {
  const [one, other] = [await insertGroup(pool, [1, 2, 3]), await insertGroup(pool, [1, 2])]
  const stored = await store(message(1, one), message(2, one), message(1, other), message(3, one))
  assert.deepEqual(
    stored.map((each) => [each.res_code, each.server_msg_id]),
    [
      [0, 2],
      [0, 3],
      [0, 2],
      [0, 4],
    ],
  )
})

test('a group message lies once with its sender and once with its group, and in the sender’s list', async () => {
  const group = await insertGroup(pool, [1, 2])
  const sent = message(1, group, { attach: '{}', mention: [2], msg_seq: 7 })
  const [stored] = await store(sent)
  const { rows } = await pool.query({
    text: `SELECT g.group_id, g.msg_id, g.msg_from, g.client_msg_id, g.client_type, g.msg_type, g.content, g.attach,
                  g.mention, g.cmd_id, g.msg_seq, g.send_time, s.to_id, s.group_id AS sent_group, s.msg_id AS sent_id
             FROM im_message_group g JOIN im_message_send s ON s.from_id = 1 AND s.client_msg_id = g.client_msg_id
            WHERE g.group_id = $1`,
    values: [group],
  })
  assert.deepEqual(rows, [
    {
      group_id: group,
      msg_id: 2,
      msg_from: 1,
      client_msg_id: sent.msg_id,
      client_type: 2,
      msg_type: 1,
      content: sent.msg_data,
      attach: '{}',
      mention: [2],
      cmd_id: 0x0301,
      msg_seq: 7,
      send_time: stored?.stored_time,
      to_id: group,
      sent_group: group,
      sent_id: 2,
    },
  ])
  assert.deepEqual(await sessions(group, 1, 2), [[2, 0], undefined])
})

test('who may not send is refused with the reason, and takes no number', async () => {
  const later = Date.now() + 60_000
  const group = await insertGroup(pool, [
    1,
    { user_id: 2, left_at: 1 },
    { user_id: 3, mute_until: later },
    { user_id: 4, mute_until: 1 },
    deactivated,
  ])
  const silent = await insertGroup(pool, [1, { user_id: 2, role: 1 }, 3], { mute_model: 1 })
  const gone = await insertGroup(pool, [1], { disbanded: true })
  const cases: [string, number, number, number][] = [
    ['of a stranger', 5, group, 4],
    ['of one who left', 2, group, 4],
    ['of one who is muted', 3, group, 5],
    ['of one who was muted', 4, group, 0],
    ['of a user who is deactivated', deactivated, group, 9],
    ['of a user who is not', 9_999, group, 9],
    ['of the owner where all are muted', 1, silent, 0],
    ['of an admin where all are muted', 2, silent, 0],
    ['of a member where all are muted', 3, silent, 5],
    ['to a group that is disbanded', 1, gone, 2],
    ['to a group that is not', 1, 2 ** 52, 2],
  ]
  const stored = await store(...cases.map(([, from, to]) => message(from, to)))
  for (const [at, [what, , , code]] of cases.entries())
    assert.equal(stored[at]?.res_code, code, `a message ${what}`)
  assert.deepEqual(
    stored.filter((each) => each.res_code === 0).map((each) => each.server_msg_id),
    [2, 2, 3],
  )
})

test('a repeat is answered with the first number, also of one who has left since', async () => {
  const group = await insertGroup(pool, [1, 2])
  const sent = message(2, group)
  const [first] = await store(sent)
  await pool.query({
    text: 'UPDATE im_group_member SET left_at_msg_id = 3 WHERE group_id = $1 AND user_id = 2',
    values: [group],
  })
  const [again, twice, other] = await store(sent, sent, message(2, group))
  assert.deepEqual(
    [again, twice],
    [first, first].map((each) => ({ ...each, repeated: true })),
  )
  assert.equal(other?.res_code, 4)
})

test('a msg_id that names another message is an error, also across users and groups', async () => {
  const group = await insertGroup(pool, [1, 2])
  const [toGroup, toUser] = [message(1, group), message(1, 2)]
  await store(toGroup, toUser)
  const stored = await store(
    { ...toGroup, msg_data: Buffer.from('other') },
    { ...toGroup, to_session_id: 2, conversation: 'c:1:2' },
    { ...toUser, to_session_id: group, conversation: toGroup.conversation },
    message(1, group),
  )
  assert.deepEqual(
    stored.map((each) => [each.res_code, each.server_msg_id]),
    [
      [1, 0],
      [1, 0],
      [1, 0],
      [0, 3],
    ],
  )
})

test('messages to users and groups of one batch are answered in their order', async () => {
  const group = await insertGroup(pool, [10, 11])
  const stored = await store(
    message(10, group),
    message(10, 12),
    message(11, group),
    message(10, 12),
    message(12, group),
  )
  assert.deepEqual(
    stored.map((each) => [each.res_code, each.server_msg_id]),
    [
      [0, 2],
      [0, 1],
      [0, 3],
      [0, 2],
      [4, 0],
    ],
  )
})

test('every member but the sender gets one row, and counts it as unread', async () => {
  const group = await insertGroup(pool, [20, 21, 22])
  await store(message(20, group), message(21, group))
  assert.deepEqual(await fanOut(group, 2, 3), [
    [21, 22],
    [20, 22],
  ])
  assert.deepEqual(await rowsOf(group), [
    [20, 3],
    [21, 2],
    [22, 2],
    [22, 3],
  ])
  assert.deepEqual(await sessions(group, 20, 21, 22), [
    [3, 1],
    [3, 1],
    [3, 2],
  ])
})

test('a fan-out that is repeated names the same readers and changes nothing', async () => {
  const group = await insertGroup(pool, [20, 21, 22])
  await store(message(20, group), message(20, group), message(20, group))
  await fanOut(group, 2)
  assert.deepEqual(await fanOut(group, 2, 3, 3), [
    [21, 22],
    [21, 22],
    [21, 22],
  ])
  const before = [await rowsOf(group), await sessions(group, 20, 21, 22)]
  await fanOut(group, 2, 3)
  assert.deepEqual([await rowsOf(group), await sessions(group, 20, 21, 22)], before)
  assert.deepEqual(before[1], [
    [4, 0],
    [3, 2],
    [3, 2],
  ])
})

test('readers are those whose membership covers the number', async () => {
  const group = await insertGroup(pool, [
    30,
    { user_id: 31, joined_at: 3 },
    { user_id: 32, left_at: 3 },
    { user_id: 33, joined_at: 2, left_at: 4 },
  ])
  await store(message(30, group), message(30, group), message(30, group))
  assert.deepEqual(await fanOut(group, 2, 3, 4), [[32, 33], [31, 33], [31]])
})

test('neither a notification nor what is read already is unread', async () => {
  const group = await insertGroup(pool, [40, 41])
  await store(message(40, group, { msg_type: notification }), message(40, group), message(40, group))
  await pool.query({
    text: `INSERT INTO im_session (user_id, session_type, peer_id, read_msg_id, created, updated)
           VALUES (41, 2, $1, 3, 0, 0)`,
    values: [group],
  })
  await fanOut(group, 2, 3, 4)
  assert.deepEqual(await sessions(group, 41), [[4, 1]])
})

test('a message of a group that is not has no readers', async () => {
  assert.deepEqual(await fanOut(2 ** 52, 1), [[]])
  assert.deepEqual(await createGroupFanout(pool).fanOut([]), [])
})

test('more members than one transaction takes each get their row', async () => {
  const group = await insertGroup(pool, numbers(1, 2_500))
  await store(message(1, group))
  const [readers] = await fanOut(group, 2)
  assert.deepEqual(readers, numbers(2, 2_500))
  assert.equal((await rowsOf(group)).length, 2_499)
})

test('members who write at once and two fan-outs of all leave no hole, no double and exact counts', async () => {
  const members = numbers(50, 57)
  const group = await insertGroup(pool, members)
  await Promise.all(
    members.map(async (from) => {
      for (let round = 0; round < 5; round++) {
        const batch = [message(from, group), message(from, group)]
        const stored = await store(...batch)
        const given = stored.map((each) => each.server_msg_id)
        await Promise.all([fanOut(group, ...given), fanOut(group, ...given.toReversed()), store(...batch)])
      }
    }),
  )
  const last = 1 + members.length * 10
  const received = await rowsOf(group)
  assert.equal(received.length, (last - 1) * (members.length - 1))
  assert.deepEqual(
    [...new Set(received.map(([, msg_id]) => msg_id))].sort((a, b) => a - b),
    numbers(2, last),
  )
  for (const session of await sessions(group, ...members))
    assert.equal(session?.[1], (members.length - 1) * 10)
})

test('an ack marks the copy of its reader only; a stranger cannot ack', async () => {
  const group = await insertGroup(pool, [60, 61, 62])
  const sent = message(60, group)
  await store(sent)
  await fanOut(group, 2)
  const ack = { from_user_id: 60, msg_id: sent.msg_id, time: 1_000 }
  for (let twice = 0; twice < 2; twice++)
    await createAckStore(pool).flush([
      { ...ack, reader_user_id: 61, device: '2' },
      { ...ack, reader_user_id: 63, device: '2' },
      { ...ack, reader_user_id: 60, device: '5' },
    ])
  const key = { from_user_id: 60, msg_id: sent.msg_id, conversation: `g:${group}`, server_msg_id: 2 }
  const keys = [60, 61, 62, 63].map((reader_user_id) => ({ ...key, reader_user_id }))
  const states = createDeliveryStates(pool)
  assert.deepEqual(await states.of(keys), [
    { acked_by: ['5'], read: false },
    { acked_by: ['2'], read: false },
    { acked_by: [], read: false },
    undefined,
  ])
  await pool.query({
    text: 'UPDATE im_session SET read_msg_id = 2 WHERE user_id = 62 AND session_type = 2 AND peer_id = $1',
    values: [group],
  })
  assert.equal((await states.of(keys))[2]?.read, true)
  const [found] = await createMessageReader(pool).of(keys)
  assert.deepEqual([found?.to_session_id, Buffer.from(found?.msg_data ?? []).toString()], [group, 'hello'])
})
