/** What is too old is removed from the real PostgreSQL, and nothing else; what users see stays of one piece. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { createDeviceStore } from '../../../infra/postgres/devices.js'
import { createFileMentions } from '../../../infra/postgres/files.js'
import { createMessageHistory } from '../../../infra/postgres/history.js'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import { createRetention } from '../../../infra/postgres/retention.js'
import { createSessionLists } from '../../../infra/postgres/sessions.js'
import { createTimelines } from '../../../infra/postgres/timelines.js'
import { waitingKept_ms } from '../../../infra/postgres/webhook-queue.js'
import { pairConversation } from '../../../schemas/ids.js'
import { livingGroup } from '../../helpers/living-group.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'

let chat: StoredChat
before(async () => {
  chat = await openStoredChat()
})
after(() => chat.close())

const query = (text: string, values: unknown[] = []) => chat.pool.query({ text, values })
const count = async (from: string, values: unknown[] = []): Promise<number> =>
  (await query(`SELECT count(*) AS count FROM ${from}`, values)).rows[0].count

/** Makes each message of a pair or group as old as its number. */
async function ageByNumber(conversation: string): Promise<void> {
  const [kind, one, other = null] = conversation.split(':')
  if (kind === 'g') await query('UPDATE im_message_group SET send_time = msg_id WHERE group_id = $1', [one])
  else
    await query(
      'UPDATE im_message_send SET created = msg_id WHERE from_id IN ($1, $2) AND to_id IN ($1, $2)',
      [one, other],
    )
}

/** Removes what is numbered up to there, in steps of a few rows. */
async function removeUpto(conversation: string, upto: number): Promise<number> {
  await ageByNumber(conversation)
  const retention = createRetention(chat.pool, 6)
  let removed = 0
  for (let more = true; more; ) {
    const step = await retention.removeMessages(conversation, upto + 1)
    removed += step.removed
    more = step.more
  }
  return removed
}

async function listed(user_id: number, peer: number) {
  const [page] = await createSessionLists(chat.pool).pages(
    [{ user_id, changed_since_s: 0, limit: 1_000 }],
    4_096,
    1_000_000,
  )
  return page?.sessions.find(({ session_id }) => session_id === peer)
}

async function history(user_id: number, peer_id: number): Promise<number[]> {
  const [page] = await createMessageHistory(chat.pool).pages([
    { user_id, peer_id, before: 2 ** 52, limit: 1_000 },
  ])
  return page === undefined || page === 'never-member' ? [] : page.map((each) => each.server_msg_id)
}

const syncPage = async (user_id: number, cursor: number, limit = 100) =>
  (await createTimelines(chat.pool).pages([{ user_id, cursor, limit }]))[0]!
const numbersOf = (page: { messages: readonly { server_msg_id: number }[] }) =>
  page.messages.map((each) => each.server_msg_id)

test('of a pair goes what is older and nothing else; counts, lists, cursors and numbers go on as they were', async () => {
  for (let n = 1; n <= 10; n++) await (n % 3 === 0 ? chat.say(2, 1, `${n}`) : chat.say(1, 2, `${n}`))
  await createReadMarks(chat.pool).mark([{ user_id: 2, peer_id: 1, msg_id: '', server_msg_id: 2, time: 1 }])
  const { next_cursor } = await syncPage(2, 0, 5)
  assert.equal((await listed(2, 1))?.unread, 5) // 4 5 7 8 10

  assert.equal(await removeUpto('c:1:2', 7), 7)

  for (const [user, peer] of [
    [1, 2],
    [2, 1],
  ] as const)
    assert.deepEqual(await history(user, peer), [8, 9, 10])
  assert.equal((await listed(2, 1))?.unread, 2)
  assert.equal((await listed(1, 2))?.unread, 1) // 9, of 3 6 9
  assert.equal((await listed(2, 1))?.last?.server_msg_id, 10)
  assert.deepEqual(numbersOf(await syncPage(2, next_cursor)), [8, 9, 10])
  assert.deepEqual(numbersOf(await syncPage(2, 0)), [8, 9, 10])
  await createReadMarks(chat.pool).mark([{ user_id: 2, peer_id: 1, msg_id: '', server_msg_id: 9, time: 2 }])
  assert.equal((await listed(2, 1))?.unread, 1)
  assert.equal((await chat.say(1, 2, 'next')).server_msg_id, 11)
  assert.equal((await listed(2, 1))?.unread, 2)
  assert.equal(await count("im_message_recv WHERE conversation = 'c:1:2'"), 4)
})

test('a young message keeps those after it, though a wrong clock made them older', async () => {
  await chat.sayMany(3, 4, 5)
  await ageByNumber('c:3:4')
  await query('UPDATE im_message_send SET created = 1000 WHERE from_id = 3 AND to_id = 4 AND msg_id = 3')
  const { removed } = await createRetention(chat.pool).removeMessages('c:3:4', 10)
  assert.equal(removed, 2)
  assert.deepEqual(await history(4, 3), [3, 4, 5])
})

test('where everything is gone the session stays, empty, and numbers do not begin again', async () => {
  const sent = await chat.say(5, 6, 'a')
  const repeated = { msg_id: randomUUID() }
  await chat.say(5, 6, 'b', repeated)
  assert.equal(await removeUpto('c:5:6', 2), 2)
  const session = await listed(6, 5)
  assert.deepEqual([session?.unread, session?.last], [0, undefined])
  const cursor = (await syncPage(6, 0)).next_cursor
  assert.equal(sent.server_msg_id, 1)
  // Who sends what was removed sends it anew.
  assert.equal((await chat.say(5, 6, 'b', repeated)).server_msg_id, 3)
  assert.deepEqual(numbersOf(await syncPage(6, cursor)), [3])
  assert.equal((await listed(6, 5))?.unread, 1)
})

test('what one writes to oneself is removed too', async () => {
  await chat.sayMany(7, 7, 4)
  assert.equal(await removeUpto('c:7:7', 3), 3)
  assert.deepEqual(await history(7, 7), [4])
})

for (const [kind, writeDiffusionMax] of [
  ['writing', 500],
  ['reading', 2],
] as const)
  test(`of a group by ${kind} goes what is older, with every member's rows`, async () => {
    const [owner, member, late] = [20 + writeDiffusionMax, 21 + writeDiffusionMax, 22 + writeDiffusionMax]
    const group = await livingGroup(chat.pool, [owner, member], writeDiffusionMax)
    const conversation = `g:${group.group_id}`
    await group.add(late) // 2
    for (let n = 3; n <= 12; n++) await group.say(n % 2 === 0 ? owner : member)
    assert.equal((await listed(late, group.group_id))?.unread, 10)
    assert.equal((await listed(owner, group.group_id))?.unread, 5)

    assert.equal(await removeUpto(conversation, 6), 6)

    for (const user of [owner, member, late])
      assert.deepEqual(await history(user, group.group_id), [7, 8, 9, 10, 11, 12])
    assert.equal((await listed(late, group.group_id))?.unread, 6)
    assert.equal((await listed(owner, group.group_id))?.unread, 3)
    for (const table of ['im_message_group WHERE group_id', 'im_message_send WHERE to_id'])
      assert.equal(await count(`${table} = $1 AND msg_id <= 6`, [group.group_id]), 0)
    assert.equal(await count('im_message_recv WHERE conversation = $1 AND msg_id <= 6', [conversation]), 0)
    assert.deepEqual(numbersOf(await syncPage(late, 0)), [7, 8, 9, 10, 11, 12])

    assert.equal(await removeUpto(conversation, 12), 6)
    assert.equal((await listed(late, group.group_id))?.unread, 0)
    assert.equal((await group.say(owner)).number, 13)
    assert.equal((await listed(late, group.group_id))?.unread, 1)
  })

test('a file loses its place when its last message goes, and not before', async () => {
  const [once, twice] = [randomUUID(), randomUUID()]
  for (const file of [once, twice])
    await query('INSERT INTO im_file (file_id, user_id, state, created) VALUES ($1, 40, 1, 0)', [file])
  await chat.sayMany(40, 41, 3)
  const named = (file_id: string, to: number, server_msg_id: number) => ({
    file_id,
    from_user_id: 40,
    to_session_id: to,
    server_msg_id,
  })
  await createFileMentions(chat.pool).record([
    named(once, 41, 1),
    named(twice, 41, 2),
    named(twice, 42, 1),
    named(twice, 40, 2), // to oneself: another conversation
  ])
  await removeUpto('c:40:41', 2)
  const places = async () =>
    (await query('SELECT named FROM im_file WHERE user_id = 40 ORDER BY file_id = $1', [twice])).rows
  assert.deepEqual(await places(), [{ named: false }, { named: true }])
  assert.equal(await count('im_file_message WHERE file_id = $1', [twice]), 2)
})

test('parts of timelines that are empty go, and cursors stay', async () => {
  await chat.say(50, 51, 'old')
  await syncPage(51, 0)
  await chat.say(52, 51, 'young')
  const before = await syncPage(51, 0)
  await removeUpto('c:50:51', 1)
  assert.equal(await createRetention(chat.pool).removeEmptySpans([50, 51]), 1)
  const later = await syncPage(51, 0)
  assert.equal(later.next_cursor, before.next_cursor)
  assert.deepEqual(
    later.messages.map((each) => each.from_user_id),
    [52],
  )
})

test('a sync that meets nothing but what is gone goes on to what is new', async () => {
  for (let n = 1; n <= 8; n++) await chat.say(53, 54, `${n}`)
  await syncPage(54, 0)
  await removeUpto('c:53:54', 8)
  await chat.say(53, 54, 'new')
  const found: number[] = []
  for (let cursor = 0, more = true; more; ) {
    const page = await syncPage(54, cursor, 3)
    found.push(...numbersOf(page))
    cursor = page.next_cursor
    more = page.has_more
  }
  assert.deepEqual(found, [9])
})

test('conversations with something old are found page by page, and no others', async () => {
  await chat.say(60, 61, 'old')
  await chat.say(60, 62, 'young')
  await query('UPDATE im_message_send SET created = 5 WHERE from_id = 60 AND to_id = 61')
  const group = await livingGroup(chat.pool, [60, 63], 500)
  await query('UPDATE im_message_group SET send_time = 5 WHERE group_id = $1', [group.group_id])
  const found: string[] = []
  const retention = createRetention(chat.pool)
  for (let position = ''; ; ) {
    const { due, last } = await retention.conversations(position, 6)
    found.push(...due)
    if (last === undefined) break
    position = last
  }
  const ours = [pairConversation(60, 61), pairConversation(60, 62), `g:${group.group_id}`]
  assert.deepEqual(
    ours.map((each) => found.includes(each)),
    [true, false, true],
  )
})

test('of the ledger goes what is older, of the users that were asked for', async () => {
  await query(`INSERT INTO im_push_ledger (reader_id, device, from_id, client_msg_id, notification_id, reason, state,
      created, updated)
    SELECT u, '2', 1, 'm' || n, gen_random_uuid(), 'offline', 'sent', n, n
      FROM generate_series(70, 72) u, generate_series(1, 20) n`)
  const retention = createRetention(chat.pool, 7)
  let removed = 0
  for (let some = 1; some > 0; removed += some) some = await retention.removeLedger([70, 71], 11)
  assert.equal(removed, 20)
  assert.equal(await count('im_push_ledger WHERE reader_id IN (70, 71) AND created >= 11'), 20)
  assert.equal(await count('im_push_ledger WHERE reader_id = 72'), 20)
})

test('a device goes with its tokens when it has not logged in for long; a young token keeps it', async () => {
  const device = (client_type: number) => ({ client_type, device_id: 'phone' })
  const login = (user_id: number, time: number) => ({
    user_id,
    device: device(2),
    nick_name: '',
    time,
  })
  await createDeviceStore(chat.pool).loggedIn([login(80, 10), login(81, 10), login(82, 30), login(83, 10)])
  await query(`INSERT INTO im_push_token (user_id, client_type, device_id, provider, token, created)
    VALUES (80, 2, 'phone', 'fcm', 'a', 5), (81, 2, 'phone', 'fcm', 'b', 25), (82, 2, 'phone', 'fcm', 'c', 5),
           (84, 2, 'never logged in', 'fcm', 'd', 5)`)
  const users = [80, 81, 82, 84]
  assert.deepEqual(await createRetention(chat.pool).removeDevices(users, 20), { devices: 1, tokens: 2 })
  const left = async (table: string) =>
    (await query(`SELECT user_id FROM ${table} WHERE user_id BETWEEN 80 AND 84 ORDER BY 1`)).rows.map(
      ({ user_id }) => user_id,
    )
  assert.deepEqual(await left('im_device'), [81, 82, 83])
  assert.deepEqual(await left('im_push_token'), [81, 82])
})

test('a push goes after its receivers, however many they are', async () => {
  await query(`INSERT INTO im_push (push_id, place, digest, push_type, payload, offline, created, expires)
    VALUES ('old', '', '', '', '', 'drop', 1, 1), ('young', '', '', '', '', 'drop', 9, 9)`)
  await query(`INSERT INTO im_push_receiver (push_id, user_id, state, expires, updated)
    SELECT p, n, 'acked', 1, 1 FROM unnest(ARRAY['old', 'young']) p, generate_series(1, 25) n`)
  const retention = createRetention(chat.pool, 10)
  let removed = 0
  for (let some = 1; some > 0; removed += some) some = await retention.removePushes(5)
  assert.equal(removed, 26)
  assert.equal(await count("im_push_receiver WHERE push_id = 'young'"), 25)
  assert.equal(await count('im_push'), 1)
})

test('an event that waits for a webhook goes when its record is gone', async () => {
  await query(
    `INSERT INTO im_webhook_waiting (lane, position, rounds, noted) VALUES ('l', 1, 1, $1), ('l', 2, 1, $2)`,
    [Date.now() - waitingKept_ms - 60_000, Date.now() - waitingKept_ms + 60_000],
  )
  const retention = createRetention(chat.pool)
  assert.equal(await retention.removeWaitingEvents(), 1)
  assert.equal(await retention.removeWaitingEvents(), 0)
})
