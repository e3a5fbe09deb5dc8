/** Delivery rows of group messages go before their messages do, and nobody sees a difference. On the real PostgreSQL. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createAckStore } from '../../../infra/postgres/deliveries.js'
import { createMessageHistory } from '../../../infra/postgres/history.js'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import { createReceipts } from '../../../infra/postgres/receipts.js'
import { createRetention } from '../../../infra/postgres/retention.js'
import { createSessionLists } from '../../../infra/postgres/sessions.js'
import { createTimelines } from '../../../infra/postgres/timelines.js'
import { type LivingGroup, livingGroup, type Said } from '../../helpers/living-group.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'

let chat: StoredChat
before(async () => {
  chat = await openStoredChat()
})
after(() => chat.close())

const query = (text: string, values: unknown[] = []) => chat.pool.query({ text, values })

/** The numbers of the rows that a user has of a group. */
const rowsOf = async (user: number, { group_id }: LivingGroup): Promise<number[]> =>
  (
    await query('SELECT msg_id FROM im_message_recv WHERE msg_to = $1 AND conversation = $2 ORDER BY 1', [
      user,
      `g:${group_id}`,
    ])
  ).rows.map(({ msg_id }) => msg_id)

/** Makes each row as old as its number, and removes those up to there, some rows at a time. */
async function removeUpto(
  { group_id }: LivingGroup,
  users: readonly number[],
  upto: number,
): Promise<number> {
  await query('UPDATE im_message_recv SET send_time = msg_id WHERE group_id = $1', [group_id])
  const retention = createRetention(chat.pool, 4)
  let removed = 0
  for (let some = 1; some > 0; removed += some) {
    some = await retention.removeDeliveries(users, upto + 1)
    assert.ok(some <= 4, 'in small steps')
  }
  return removed
}

const read = (user_id: number, { group_id }: LivingGroup, server_msg_id: number) =>
  createReadMarks(chat.pool).mark([{ user_id, peer_id: group_id, msg_id: '', server_msg_id, time: 1 }])

const ack = (reader_user_id: number, said: Said, device = '2') =>
  createAckStore(chat.pool).flush(
    [{ reader_user_id, from_user_id: said.from, msg_id: said.msg_id, device, time: 1 }],
    async () => {},
  )

async function listed(user_id: number, { group_id }: LivingGroup) {
  const [page] = await createSessionLists(chat.pool).pages(
    [{ user_id, changed_since_s: 0, limit: 1_000 }],
    4_096,
    1_000_000,
  )
  return page?.sessions.find(({ session_id }) => session_id === group_id)
}

/** All that users see of a group, and what senders are told of their messages. */
async function seen(group: LivingGroup, users: readonly number[], said: readonly Said[]) {
  const [history, timelines] = [createMessageHistory(chat.pool), createTimelines(chat.pool)]
  const views = users.map(async (user_id) => ({
    list: await listed(user_id, group),
    history: await history.pages([{ user_id, peer_id: group.group_id, before: 2 ** 52, limit: 1_000 }]),
    sync: await timelines.pages([{ user_id, cursor: 0, limit: 100 }]),
  }))
  return {
    views: await Promise.all(views),
    receipts: await createReceipts(chat.pool).of(said.map(({ from, msg_id }) => ({ user_id: from, msg_id }))),
  }
}

for (const [kind, writeDiffusionMax] of [
  ['writing', 500],
  ['reading', 2],
] as const)
  test(`of a group by ${kind} goes what is old and read; lists, unread, history, sync and receipts stay`, async () => {
    const users = [1, 2, 3].map((n) => n + writeDiffusionMax) as [number, number, number]
    const [owner, reader, silent] = users
    const group = await livingGroup(chat.pool, users, writeDiffusionMax)
    const said: Said[] = []
    for (let n = 2; n <= 12; n++) said.push(await group.say(n % 4 === 0 ? reader : owner))
    for (const each of said.filter(({ from }) => from === owner)) await ack(reader, each)
    for (const each of said.filter(({ number }) => number <= 6)) await ack(silent, each)
    await read(reader, group, 9)
    await read(owner, group, 12)
    await seen(group, users, said) // cursors are given
    const before = await seen(group, users, said)
    assert.equal((await listed(silent, group))?.unread, 11)

    const removed = await removeUpto(group, users, 7)
    const acks = await createRetention(chat.pool).removeGroupAcks(users)

    assert.deepEqual(await seen(group, users, said), before)
    if (kind === 'reading') assert.equal(removed, 0)
    else {
      assert.equal(acks, 0)
      assert.deepEqual(await rowsOf(reader, group), [9, 10, 11]) // 4, 8 and 12 are the reader's own
      assert.deepEqual(await rowsOf(owner, group), [8, 12])
      assert.deepEqual(await rowsOf(silent, group), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    }
    // What follows is counted as ever.
    await read(reader, group, 10)
    assert.equal((await listed(reader, group))?.unread, 1)
    await read(silent, group, 5)
    assert.equal((await listed(silent, group))?.unread, 7)
    await group.say(owner)
    assert.equal((await listed(silent, group))?.unread, 8)
    assert.equal((await listed(reader, group))?.unread, 2)
  })

test('what is unread is kept however old it is, and goes once it is read', async () => {
  const group = await livingGroup(chat.pool, [10, 11], 500)
  for (let n = 2; n <= 5; n++) await group.say(10)
  assert.equal(await removeUpto(group, [10, 11], 100), 0)
  await read(11, group, 4)
  assert.equal(await removeUpto(group, [10, 11], 100), 4)
  assert.deepEqual(await rowsOf(11, group), [5])
  assert.equal((await listed(11, group))?.unread, 1)
})

test('a fan-out that comes again when its rows are gone counts nothing twice', async () => {
  const group = await livingGroup(chat.pool, [20, 21], 500)
  for (let n = 2; n <= 6; n++) await group.say(20)
  await read(21, group, 4)
  await removeUpto(group, [21], 100)
  await group.fanOut(1, 2, 3, 4, 5, 6)
  assert.equal((await listed(21, group))?.unread, 2)
  await read(21, group, 6)
  assert.equal((await listed(21, group))?.unread, 0)
})

test('who left and came again sees the new membership, counted from its beginning', async () => {
  const group = await livingGroup(chat.pool, [30, 31], 500)
  for (let n = 2; n <= 4; n++) await group.say(30)
  await read(31, group, 3)
  await group.remove(31) // 5
  await group.say(30)
  await removeUpto(group, [31], 100)
  assert.deepEqual(await rowsOf(31, group), [4])
  await group.add(31) // 7
  await group.say(30)
  assert.equal((await listed(31, group))?.unread, 1)
  await removeUpto(group, [31], 100)
  assert.deepEqual(await rowsOf(31, group), [7, 8])
  assert.equal((await listed(31, group))?.unread, 1)
})

test('when the messages go, the rows that are left go with them, also of who has left', async () => {
  const group = await livingGroup(chat.pool, [40, 41, 42], 500)
  for (let n = 2; n <= 6; n++) await group.say(40)
  await read(41, group, 4)
  await group.remove(42) // 7
  await removeUpto(group, [41], 3)
  await query('UPDATE im_message_group SET send_time = msg_id WHERE group_id = $1', [group.group_id])
  const retention = createRetention(chat.pool)
  while ((await retention.removeMessages(`g:${group.group_id}`, 6)).more);
  assert.deepEqual([await rowsOf(41, group), await rowsOf(42, group)], [[6, 7], [6]])
  assert.equal((await listed(41, group))?.unread, 1)
})

test('what is read and removed at the same moment is counted once', async () => {
  const readers = [51, 52, 53, 54]
  const group = await livingGroup(chat.pool, [50, ...readers], 500)
  const last = 1 + 24
  for (let n = 2; n <= last; n++) await group.say(50)
  await query('UPDATE im_message_recv SET send_time = 0 WHERE group_id = $1', [group.group_id])
  const retention = createRetention(chat.pool, 3)
  for (let upto = 2; upto <= last - 2; upto += 2) {
    await Promise.all([
      ...readers.map((user, at) => read(user, group, upto + (at % 3))),
      ...readers.map((user) => retention.removeDeliveries([user], 1)),
    ])
    for (const [at, user] of readers.entries())
      assert.equal((await listed(user, group))?.unread, last - upto - (at % 3))
  }
})

test('rows of single chats stay: they are what their reader has of the message', async () => {
  await chat.say(60, 61, 'hello')
  await createReadMarks(chat.pool).mark([{ user_id: 61, peer_id: 60, msg_id: '', server_msg_id: 1, time: 1 }])
  assert.equal(await createRetention(chat.pool).removeDeliveries([60, 61], 2 ** 52), 0)
})

test('what devices acked of a large group goes when all of it is read, or gone', async () => {
  const group = await livingGroup(chat.pool, [70, 71, 72, 73], 2)
  const retention = createRetention(chat.pool)
  const acked = async () =>
    (
      await query('SELECT user_id, device FROM im_group_ack WHERE group_id = $1 ORDER BY 1, 2', [
        group.group_id,
      ])
    ).rows.map(({ user_id, device }) => `${user_id} ${device}`)
  const first = await group.say(70) // 2
  const second = await group.say(70)
  for (const user of [71, 72, 73]) await ack(user, first)
  await ack(71, second, '3')
  await read(71, group, first.number)
  await read(73, group, second.number)
  await retention.removeGroupAcks([71, 72])
  assert.deepEqual(await acked(), ['71 3', '72 2', '73 2'])
  await retention.removeGroupAcks([71, 72, 73])
  assert.deepEqual(await acked(), ['71 3', '72 2'])

  await query('UPDATE im_message_group SET send_time = msg_id WHERE group_id = $1', [group.group_id])
  while ((await retention.removeMessages(`g:${group.group_id}`, second.number)).more);
  await retention.removeGroupAcks([71, 72, 73])
  assert.deepEqual(await acked(), ['71 3'])
  while ((await retention.removeMessages(`g:${group.group_id}`, second.number + 1)).more);
  await retention.removeGroupAcks([71, 72, 73])
  assert.deepEqual(await acked(), [])
})
