/** Groups by reading on the real PostgreSQL: nobody can tell (spec 2, "Group chat" 7). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { createAckStore, createDeliveryStates } from '../../../infra/postgres/deliveries.js'
import { createPushTargets } from '../../../infra/postgres/push.js'
import { createReceipts } from '../../../infra/postgres/receipts.js'
import { createSessionChanges } from '../../../infra/postgres/session-changes.js'
import { groupViews } from '../../helpers/group-views.js'
import { livingGroup, type Said } from '../../helpers/living-group.js'
import { populated } from '../../helpers/populated.js'

/** Members above which these groups are by reading. */
const limit = 3

let pool: pg.Pool
let views: ReturnType<typeof groupViews>
let close: () => Promise<void>
before(async () => {
  ;({ pool, close } = await populated(3000))
  views = groupViews(pool)
})
after(() => close())

const numbers = (first: number, last: number) =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => first + at)

const rowsOf = async (group: number) =>
  (
    await pool.query<{ msg_id: number }>({
      text: 'SELECT DISTINCT msg_id FROM im_message_recv WHERE group_id = $1 ORDER BY 1',
      values: [group],
    })
  ).rows.map(({ msg_id }) => msg_id)

const ack = (reader_user_id: number, { from, msg_id }: Said, device = '2') =>
  createAckStore(pool).flush([{ reader_user_id, device, from_user_id: from, msg_id, time: 1 }])

test('above the limit a message gives no rows, and its readers count, list and pull it all the same', async () => {
  const group = await livingGroup(pool, [1, 2, 3, 4], limit)
  const said = [await group.say(1), await group.say(2), await group.say(1)]
  assert.deepEqual(await rowsOf(group.group_id), [])
  assert.deepEqual(await group.fanOut(...said.map(({ number }) => number)), [
    [2, 3, 4],
    [1, 3, 4],
    [2, 3, 4],
  ])
  assert.deepEqual(await views.listed(3, group.group_id), { unread: 3, last: 4, total: 3 })
  assert.deepEqual(await views.listed(1, group.group_id), { unread: 1, last: 4, total: 1 })
  assert.deepEqual(await views.history(3, group.group_id), [1, 2, 3, 4])
  assert.deepEqual((await views.sync(3, group.group_id)).seen, [1, 2, 3, 4])
  await views.markRead(3, group.group_id, 3)
  assert.equal(await views.unread(3, group.group_id), 1)
})

test('the badge counts what the reader has not looked at yet', async () => {
  const group = await livingGroup(pool, [11, 12, 13, 14], limit)
  await group.say(11)
  await group.say(12)
  const key = {
    reader_user_id: 13,
    device: { client_type: 2 },
    from_user_id: 11,
    msg_id: 'any',
    conversation: 'any',
    server_msg_id: 2,
    round: 0,
  }
  const badge = async () => (await createPushTargets(pool).of([key]))[0]?.unread_total
  assert.equal(await badge(), 2)
  assert.equal(await views.unread(13, group.group_id), 2)
  assert.equal(await badge(), 2)
})

test('which messages have rows follows from their numbers, not from the size of the group when they are fanned out', async () => {
  const group = await livingGroup(pool, [21, 22, 23], limit)
  const { number: byWriting } = await group.say(21, { unfanned: true })
  const up = await group.add(24)
  const { number: byReading } = await group.say(21, { unfanned: true })
  const down = await group.remove(24)
  const { number: again } = await group.say(21, { unfanned: true })
  assert.deepEqual(await group.fanOut(again, byReading, byWriting), [
    [22, 23],
    [22, 23, 24],
    [22, 23],
  ])
  // The creation and what was said below the limit; neither the change that crossed it nor what came until the next.
  assert.deepEqual(await rowsOf(group.group_id), [1, byWriting, down, again])
  assert.deepEqual([up, byReading], [byWriting + 1, byWriting + 2])
  assert.equal(await views.unread(22, group.group_id), 3)
  assert.equal(await views.unread(24, group.group_id), 1)
})

test('receipts and acks of messages by reading are those of the devices that acked', async () => {
  const group = await livingGroup(pool, [31, 32, 33, 34], limit)
  const said: Said[] = []
  for (const from of [31, 32, 31, 33, 31]) said.push(await group.say(from))
  const [first, , third, , fifth] = said as [Said, Said, Said, Said, Said]
  for (const each of said) if (each.from !== 32) await ack(32, each)
  await ack(33, first)
  await ack(33, third, '5')
  await ack(99, first)
  await ack(31, first)
  const receipts = async ({ from, msg_id }: Said) => {
    const [found] = await createReceipts(pool).of([{ user_id: from, msg_id }])
    return [found?.read, found?.received, found?.waiting]
  }
  assert.deepEqual(await receipts(first), [[], [32, 33], [34]])
  await views.markRead(33, group.group_id, third.number)
  assert.deepEqual(await receipts(first), [[33], [32], [34]])
  assert.deepEqual(await receipts(fifth), [[], [32], [33, 34]])

  const key = (reader_user_id: number, { from, msg_id, number }: Said) => ({
    reader_user_id,
    from_user_id: from,
    msg_id,
    conversation: `g:${group.group_id}`,
    server_msg_id: number,
  })
  assert.deepEqual(
    await createDeliveryStates(pool).of([
      key(32, third),
      key(33, third),
      key(34, third),
      key(99, third),
      key(31, first),
    ]),
    [
      { acked_by: ['2'], read: false },
      { acked_by: ['5'], read: true },
      { acked_by: [], read: false },
      undefined,
      { acked_by: ['2'], read: false },
    ],
  )
  const { rows } = await pool.query<{ ranges: number }>({
    text: `SELECT (SELECT count(*) FROM unnest(numbers)) AS ranges FROM im_group_ack
            WHERE group_id = $1 AND user_id = 32`,
    values: [group.group_id],
  })
  assert.deepEqual(rows, [{ ranges: 1 }], 'what one wrote oneself does not cut the range')
})

test('a message is for who was a member at its number, whoever came or left since', async () => {
  const group = await livingGroup(pool, [41, 42, 43, 44], limit)
  const before = await group.say(41, { unfanned: true })
  await group.fanOut(before.number)
  await group.remove(44)
  const without = await group.say(41, { unfanned: true })
  await group.add(45, 46)
  const later = await group.say(41, { unfanned: true })
  assert.deepEqual(await group.fanOut(before.number, without.number, later.number), [
    [42, 43, 44],
    [42, 43],
    [42, 43, 45, 46],
  ])
  assert.deepEqual(await views.history(44, group.group_id), [1, 2])
  assert.deepEqual((await views.sync(44, group.group_id)).seen, [1, 2])
  assert.equal(await views.unread(44, group.group_id), 1)
  assert.equal(await views.unread(45, group.group_id), 1)
})

test('a deleted session comes back with the next message by reading, not with what was said before', async () => {
  const group = await livingGroup(pool, [51, 52, 53, 54], limit)
  await views.listed(52, group.group_id)
  await group.say(51)
  const [deleted] = await createSessionChanges(pool).apply([
    {
      user_id: 52,
      session_type: 2,
      session_id: group.group_id,
      session_status: 1,
      pinned: undefined,
      muted: undefined,
      draft: undefined,
      extend_data: undefined,
      appended: 1,
      offset: 1,
    },
  ])
  assert.equal(deleted?.session_status, 1)
  const status = async () => {
    await views.listed(52, group.group_id)
    const { rows } = await pool.query<{ session_status: number }>({
      text: 'SELECT session_status FROM im_session WHERE user_id = 52 AND session_type = 2 AND peer_id = $1',
      values: [group.group_id],
    })
    return rows[0]?.session_status
  }
  assert.equal(await status(), 1)
  await group.say(51)
  assert.equal(await status(), 0)
})

test('a fan-out to ten messages of a large group reads its members once', async () => {
  const group = await livingGroup(pool, numbers(1_000, 2_999), limit)
  const reads = async () => {
    await pool.query('SELECT pg_stat_force_next_flush()')
    const { rows } = await pool.query<{ idx_tup_fetch: number }>(
      "SELECT idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'im_group_member'",
    )
    return rows[0]?.idx_tup_fetch ?? 0
  }
  const { number } = await group.say(1_000)
  const earlier = await reads()
  for (let at = 0; at < 10; at++)
    assert.equal((await group.fanOut((await group.say(1_000)).number))[0]?.length, 1_999)
  assert.ok((await reads()) - earlier < 2_000, 'the members were read again')
  assert.equal((await group.fanOut(number))[0]?.length, 1_999)
})
