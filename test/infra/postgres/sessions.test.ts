/** Session lists on the real PostgreSQL: spec 2, "Pulling"; promise I6. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import { createSessionLists } from '../../../infra/postgres/sessions.js'
import type { SessionLists, SessionPage, SessionsAsked } from '../../../workers/ports/queries.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'
import { storeGroup } from '../../helpers/stored-group.js'

let chat: StoredChat
let lists: SessionLists

before(async () => {
  chat = await openStoredChat()
  lists = createSessionLists(chat.pool)
})
after(() => chat.close())

const none: SessionPage = { unread_total: 0, sessions: [] }
const megabyte = 1_048_576

async function list(
  user_id: number,
  more: Partial<SessionsAsked> = {},
  maxPage = megabyte,
): Promise<SessionPage> {
  const asked = { user_id, changed_since_s: 0, limit: 100, ...more }
  return (await lists.pages([asked], 4_096, maxPage))[0] ?? none
}

const peers = (page: SessionPage) => page.sessions.map((session) => session.session_id)

const changeAt = (user: number, peer: number, updated: number, status = 0) =>
  chat.pool.query({
    text: 'UPDATE im_session SET updated = $3, session_status = $4 WHERE user_id = $1 AND peer_id = $2',
    values: [user, peer, updated, status],
  })

test('a list is ordered by (whole second, id), both falling, and pages follow it without a gap', async () => {
  for (const peer of [11, 12, 13, 14, 15]) await chat.say(peer, 10, 'hello')
  for (const [peer, updated] of [
    [11, 5_999],
    [12, 5_000],
    [13, 7_001],
    [14, 5_500],
    [15, 4_999],
  ] as const)
    await changeAt(10, peer, updated)
  assert.deepEqual(peers(await list(10)), [13, 14, 12, 11, 15])
  assert.deepEqual(peers(await list(10, { limit: 2 })), [13, 14])
  assert.deepEqual(peers(await list(10, { limit: 2, after: { updated_s: 5, session_id: 14 } })), [12, 11])
  assert.deepEqual(peers(await list(10, { limit: 2, after: { updated_s: 5, session_id: 11 } })), [15])
  assert.deepEqual(peers(await list(10, { changed_since_s: 5 })), [13, 14, 12, 11])
  assert.deepEqual(peers(await list(10, { changed_since_s: 8 })), [])
})

test('deleted sessions are listed and not counted in the total; the total is of all, whatever is listed', async () => {
  for (const peer of [21, 22, 23]) await chat.sayMany(peer, 20, 2)
  await changeAt(20, 22, 9_000_000_000_000, 1)
  const page = await list(20, { limit: 1 })
  assert.deepEqual(
    [page.unread_total, page.sessions[0]?.session_id, page.sessions[0]?.session_status],
    [4, 22, 1],
  )
  assert.equal((await list(20, { changed_since_s: 4_000_000_000 })).unread_total, 4)
  assert.equal((await list(20, { changed_since_s: 4_200_000_000_000 })).unread_total, 4)
  assert.deepEqual(await list(998), none)
})

test('a session shows its last message with the state of its sender', async () => {
  await chat.say(30, 31, 'question', { msg_id: 'q', attach: 'why' })
  const [forReader] = (await list(31)).sessions
  assert.deepEqual(
    [
      forReader?.unread,
      forReader?.last?.msg_id,
      forReader?.last?.msg_data.toString(),
      forReader?.last?.attach,
    ],
    [1, 'q', 'question', 'why'],
  )
  assert.equal(forReader?.last?.read, false)
  const [forWriter] = (await list(30)).sessions
  assert.deepEqual([forWriter?.unread, forWriter?.last?.from_user_id, forWriter?.last?.read], [0, 30, false])

  await createReadMarks(chat.pool).mark([
    { user_id: 31, peer_id: 30, msg_id: 'q', server_msg_id: 0, time: 1 },
  ])
  assert.equal((await list(30)).sessions[0]?.last?.read, true)
  assert.equal((await list(31)).sessions[0]?.last?.read, true)
  assert.equal((await list(31)).unread_total, 0)
})

test('a read shows in what changed since, for both users', async () => {
  await chat.say(34, 35, 'hello')
  await changeAt(34, 35, 1_000)
  await changeAt(35, 34, 1_000)
  assert.deepEqual(peers(await list(35, { changed_since_s: 2 })), [])
  await createReadMarks(chat.pool).mark([{ user_id: 35, peer_id: 34, msg_id: '', server_msg_id: 1, time: 1 }])
  assert.deepEqual(peers(await list(35, { changed_since_s: 2 })), [34])
  assert.deepEqual(peers(await list(34, { changed_since_s: 2 })), [35])
})

test('a last message above 4 KiB comes without its content, one of 4 KiB with it', async () => {
  await chat.say(40, 41, '', { msg_data: Buffer.alloc(4_097, 1) })
  await chat.say(42, 41, '', { msg_data: Buffer.alloc(4_096, 1) })
  const sizes = new Map(
    (await list(41)).sessions.map((each) => [each.session_id, each.last?.msg_data.length]),
  )
  assert.deepEqual([sizes.get(40), sizes.get(42)], [0, 4_096])
})

test('the content of a page ends where it would pass the limit', async () => {
  for (const peer of [51, 52, 53]) await chat.say(peer, 50, '', { msg_data: Buffer.alloc(3_000, 1) })
  for (const peer of [51, 52, 53]) await changeAt(50, peer, peer * 1_000)
  const { sessions } = await list(50, {}, 6_000)
  assert.deepEqual(
    sessions.map((each) => each.last?.msg_data.length),
    [3_000, 3_000, 0],
  )
})

test('one round trip answers several users, each in its place', async () => {
  await chat.say(60, 61, 'hello')
  const pages = await lists.pages(
    [61, 997, 60].map((user_id) => ({ user_id, changed_since_s: 0, limit: 10 })),
    4_096,
    megabyte,
  )
  assert.deepEqual(pages.map(peers), [[60], [], [61]])
  assert.deepEqual(
    pages.map((page) => page.unread_total),
    [1, 0, 0],
  )
})

test('a group is listed with its last message and the unread count of each member', async () => {
  const group = await storeGroup(chat.pool, [70, 71, 72])
  await group.say(70, 'hello all', { msg_id: 'to-all' })
  await chat.say(73, 71, 'in a pair')
  const { unread_total, sessions } = await list(71)
  assert.equal(unread_total, 2)
  const listed = sessions.find((each) => each.session_id === group.group_id)
  assert.deepEqual(
    [
      listed?.session_type,
      listed?.unread,
      listed?.last_server_msg_id,
      listed?.last?.msg_id,
      listed?.last?.read,
    ],
    [2, 1, 2, 'to-all', false],
  )
  assert.deepEqual(
    [listed?.last?.from_user_id, listed?.last?.to_session_id, listed?.last?.msg_data.toString()],
    [70, group.group_id, 'hello all'],
  )
  const [ofSender] = (await list(70)).sessions
  assert.deepEqual([ofSender?.unread, ofSender?.last?.msg_id, ofSender?.last?.read], [0, 'to-all', false])
  await createReadMarks(chat.pool).mark([
    { user_id: 71, peer_id: group.group_id, msg_id: '', server_msg_id: 2, time: 1 },
  ])
  assert.deepEqual([(await list(71)).unread_total, (await list(72)).unread_total], [1, 1])
})

test('who left a group has it listed with the last message from before; who joined again, without older ones', async () => {
  const group = await storeGroup(chat.pool, [80, 81])
  await group.say(80, 'seen', { msg_id: 'seen' })
  await group.leave(81)
  await group.say(80, 'not seen')
  const [left] = (await list(81)).sessions
  assert.deepEqual([left?.last?.msg_id, left?.last_server_msg_id], ['seen', 2])
  await chat.pool.query({
    text: 'UPDATE im_group_member SET joined_at_msg_id = 5, left_at_msg_id = NULL WHERE group_id = $1 AND user_id = 81',
    values: [group.group_id],
  })
  const [again] = (await list(81)).sessions
  assert.deepEqual([again?.last, again?.last_server_msg_id], [undefined, 0])
})
