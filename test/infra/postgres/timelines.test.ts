/** The timeline of a user over all their sessions, on the real PostgreSQL: spec 2, "Pulling" (Sync). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createMessageHistory } from '../../../infra/postgres/history.js'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import { createTimelines } from '../../../infra/postgres/timelines.js'
import type { MessageCopy } from '../../../workers/ports/queries.js'
import type { TimelinePage, Timelines } from '../../../workers/ports/timelines.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'
import { storeGroup } from '../../helpers/stored-group.js'

let chat: StoredChat
let timelines: Timelines

before(async () => {
  chat = await openStoredChat()
  timelines = createTimelines(chat.pool)
})
after(() => chat.close())

const empty: TimelinePage = { messages: [], next_cursor: 0, has_more: false }

const sync = async (user_id: number, cursor: number, limit = 100): Promise<TimelinePage> =>
  (await timelines.pages([{ user_id, cursor, limit }]))[0] ?? empty

/** Whom a user has the message with, and its number there. */
const nameOf = (user: number, { from_user_id, to_session_id, server_msg_id }: MessageCopy) =>
  `${from_user_id === user || to_session_id > 2 ** 47 ? to_session_id : from_user_id}:${server_msg_id}`
const names = (user: number, page: TimelinePage) => page.messages.map((message) => nameOf(user, message))

/** All pages from a cursor on, and where they end. */
async function syncAll(user: number, from: number, limit: number) {
  const all: string[] = []
  for (let cursor = from; ; ) {
    const page = await sync(user, cursor, limit)
    assert.ok(page.next_cursor >= cursor && page.messages.length <= limit)
    all.push(...names(user, page))
    cursor = page.next_cursor
    if (!page.has_more) return { all, cursor }
  }
}

test('a user without messages is at the end', async () => {
  assert.deepEqual(await sync(900, 0), empty)
  assert.deepEqual(await sync(900, 7), { ...empty, next_cursor: 7 })
})

test('a timeline has what the user wrote and got in all conversations, and goes on where it ended', async () => {
  const group = await storeGroup(chat.pool, [1, 2, 3])
  await chat.say(1, 2, 'to a friend')
  await chat.say(2, 1, 'an answer')
  await group.say(3, 'to all')
  const first = await syncAll(1, 0, 100)
  assert.deepEqual(first.all.toSorted(), [`${group.group_id}:1`, `${group.group_id}:2`, '2:1', '2:2'])
  assert.deepEqual((await syncAll(1, first.cursor, 100)).all, [])

  await chat.say(1, 2, 'one more')
  await group.say(1, 'mine')
  const second = await syncAll(1, first.cursor, 100)
  assert.deepEqual(second.all.toSorted(), [`${group.group_id}:3`, '2:3'])
  // Another device that was away for longer gets the same, each message once.
  assert.deepEqual((await syncAll(1, 0, 2)).all, [...first.all, ...second.all])
})

test('pages of any size hold every message once, those of one conversation in rising order', async () => {
  for (const peer of [11, 12, 13]) {
    await chat.sayMany(10, peer, 4)
    await chat.sayMany(peer, 10, 3)
  }
  const whole = (await syncAll(10, 0, 100)).all
  assert.equal(new Set(whole).size, 21)
  for (const limit of [1, 2, 7, 20, 21]) assert.deepEqual((await syncAll(10, 0, limit)).all, whole)
  for (const peer of ['11', '12', '13'])
    assert.deepEqual(
      whole.filter((name) => name.startsWith(`${peer}:`)),
      [1, 2, 3, 4, 5, 6, 7].map((number) => `${peer}:${number}`),
    )
  const full = await sync(10, 0, 21)
  assert.deepEqual([full.messages.length, full.has_more], [21, false])
})

test('a cursor in the middle of a conversation goes on right behind it', async () => {
  await chat.sayMany(20, 21, 10)
  const page = await sync(21, 0, 4)
  assert.deepEqual(names(21, page), ['20:1', '20:2', '20:3', '20:4'])
  assert.deepEqual(names(21, await sync(21, page.next_cursor, 3)), ['20:5', '20:6', '20:7'])
})

test('of a group only what the membership covers is in the timeline, also when it ended later', async () => {
  const group = await storeGroup(chat.pool, [30, 31])
  await group.say(30, 'before')
  const joined = await group.join(32)
  await group.say(30, 'seen')
  await syncAll(32, 0, 100)
  await group.leave(32)
  await group.say(30, 'after')
  assert.deepEqual((await syncAll(32, 0, 100)).all, [
    `${group.group_id}:${joined}`,
    `${group.group_id}:${joined + 1}`,
  ])
  const again = await group.join(32)
  assert.deepEqual((await syncAll(32, 0, 100)).all, [`${group.group_id}:${again}`])
})

test('a copy has the content and the read state that history has', async () => {
  const group = await storeGroup(chat.pool, [40, 41])
  await group.say(40, 'to all', { msg_id: 'to-all' })
  await chat.say(40, 41, 'in a pair', { msg_id: 'pair', attach: 'note', client_type: 3 })
  await chat.say(41, 40, 'reply', { msg_id: 'reply' })
  await createReadMarks(chat.pool).mark([
    { user_id: 41, peer_id: group.group_id, msg_id: '', server_msg_id: 2, time: 1 },
    { user_id: 41, peer_id: 40, msg_id: '', server_msg_id: 1, time: 1 },
  ])
  const history = createMessageHistory(chat.pool)
  for (const user_id of [40, 41]) {
    const { messages } = await sync(user_id, 0)
    const pages = await history.pages(
      [group.group_id, 81 - user_id].map((peer_id) => ({ user_id, peer_id, before: 1_000, limit: 100 })),
    )
    const order = ({ msg_id }: MessageCopy) => msg_id
    assert.deepEqual(
      messages.toSorted((a, b) => order(a).localeCompare(order(b))),
      (pages.flat() as MessageCopy[]).toSorted((a, b) => order(a).localeCompare(order(b))),
    )
  }
})

test('one call answers many users, and one user at two cursors', async () => {
  await chat.sayMany(50, 51, 3)
  const asked = [51, 901, 50, 51].map((user_id, at) => ({ user_id, cursor: at === 3 ? 2 : 0, limit: 2 }))
  const pages = await timelines.pages(asked)
  assert.deepEqual(
    pages.map((page, at) => names(asked[at]?.user_id ?? 0, page)),
    [['50:1', '50:2'], [], ['51:1', '51:2'], ['50:3']],
  )
  assert.deepEqual(
    pages.map((page) => page.has_more),
    [true, false, true, false],
  )
  assert.deepEqual(await timelines.pages([]), [])
})

test('two devices that sync while messages arrive both get every message once', async () => {
  const group = await storeGroup(chat.pool, [60, 61, 62])
  let writing = true
  const write = async () => {
    for (let n = 0; n < 30; n++) {
      await Promise.all([chat.sayMany(61, 60, 2), chat.sayMany(60, 62, 1), group.say(61, `${n}`)])
    }
    writing = false
  }
  const follow = async (limit: number) => {
    const seen: string[] = []
    for (let cursor = 0; ; ) {
      const wasWriting = writing
      const next = await syncAll(60, cursor, limit)
      seen.push(...next.all)
      cursor = next.cursor
      if (!wasWriting) return seen
    }
  }
  const [, one, other] = await Promise.all([write(), follow(3), follow(50)])
  const expected = [
    ...Array.from({ length: 60 }, (_, at) => `61:${at + 1}`),
    ...Array.from({ length: 30 }, (_, at) => `62:${at + 1}`),
    ...Array.from({ length: 31 }, (_, at) => `${group.group_id}:${at + 1}`),
  ].toSorted()
  assert.deepEqual(one.toSorted(), expected)
  assert.deepEqual(other, one)
})
