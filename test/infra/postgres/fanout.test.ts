/** Group messages to their members on the real PostgreSQL: promises I2, I5 and I6 for groups. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import {
  createAckStore,
  createDeliveryStates,
  createMessageReader,
} from '../../../infra/postgres/deliveries.js'
import { createGroupFanout } from '../../../infra/postgres/fanout.js'
import { createMessageStore } from '../../../infra/postgres/messages.js'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import type { NewMessage } from '../../../workers/ports/messages.js'
import { groupSessions, insertGroup } from '../../helpers/group-rows.js'
import { message } from '../../helpers/new-message.js'
import { populated } from '../../helpers/populated.js'
import { randomNumbers } from '../../helpers/random.js'

const notification = 6

let pool: pg.Pool
let close: () => Promise<void>
before(async () => {
  ;({ pool, close } = await populated(3000))
})
after(() => close())

const store = (...messages: NewMessage[]) => createMessageStore(pool).store(messages)
const fanOut = (group_id: number, ...numbers: number[]) =>
  createGroupFanout(pool).fanOut(numbers.map((server_msg_id) => ({ group_id, server_msg_id })))
const numbers = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, at) => first + at)

const sessions = (group: number, ...users: number[]) => groupSessions(pool, group, users)

async function rowsOf(group: number): Promise<[number, number][]> {
  const { rows } = await pool.query<{ msg_to: number; msg_id: number }>({
    text: 'SELECT msg_to, msg_id FROM im_message_recv WHERE group_id = $1 ORDER BY msg_to, msg_id',
    values: [group],
  })
  return rows.map(({ msg_to, msg_id }) => [msg_to, msg_id])
}

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

test('unread is exact, and nobody waits in a circle, while members of several groups write, read and ack', async () => {
  const members = numbers(70, 79)
  const groups = await Promise.all([0, 1, 2].map(() => insertGroup(pool, members)))
  const random = randomNumbers(7)
  const some = <Item>(items: readonly Item[]) => items[random(items.length)]!
  // Everybody has a session with each group before they read in it.
  for (const group of groups) {
    await store(message(members[0]!, group), message(members[1]!, group))
    await fanOut(group, 2, 3)
  }
  const said: NewMessage[] = []
  const write = async () => {
    const batch = groups.map((group) => message(some(members), group))
    const stored = await store(...batch)
    said.push(...batch)
    await createGroupFanout(pool).fanOut(
      batch.map(({ to_session_id }, at) => ({
        group_id: to_session_id,
        server_msg_id: stored[at]!.server_msg_id,
      })),
    )
  }
  const read = (_: unknown, at: number) =>
    createReadMarks(pool).mark(
      members.map((user_id) => ({
        user_id,
        peer_id: some(groups),
        msg_id: '',
        server_msg_id: 2 + random(at + 2),
        time: at,
      })),
    )
  const ack = () =>
    createAckStore(pool).flush(
      said.slice(-20).map(({ from_user_id, msg_id }) => {
        return { reader_user_id: some(members), device: '2', from_user_id, msg_id, time: 1 }
      }),
    )
  const times = async (work: (_: unknown, at: number) => Promise<unknown>) => {
    for (let at = 0; at < 30; at++) await work(undefined, at)
  }
  await Promise.all([times(write), times(write), times(write), times(read), times(read), times(ack)])

  const { rows } = await pool.query<{ unread: number; exact: number }>({
    text: `SELECT s.unread, (SELECT count(*) FROM im_message_recv m
                              WHERE m.msg_to = s.user_id AND m.group_id = s.peer_id AND m.msg_id > s.read_msg_id) AS exact
             FROM im_session s WHERE s.session_type = 2 AND s.peer_id = ANY ($1)`,
    values: [groups],
  })
  assert.equal(rows.length, groups.length * members.length)
  assert.deepEqual(
    rows.map(({ unread }) => unread),
    rows.map(({ exact }) => exact),
  )
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
