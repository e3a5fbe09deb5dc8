/** What pairs have said to each other, on the real PostgreSQL: spec 2, "Pulling". */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createPairHistory } from '../../../infra/postgres/pair-history.js'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import type { MessageCopy, MessageHistory } from '../../../workers/ports/queries.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'

let chat: StoredChat
let history: MessageHistory<never>

before(async () => {
  chat = await openStoredChat()
  history = createPairHistory(chat.pool)
  for (let n = 1; n <= 3; n++) {
    await chat.say(1, 2, `from 1, ${n}`, { msg_id: `a${n}`, attach: n === 1 ? 'note' : null })
    await chat.say(2, 1, `from 2, ${n}`, { msg_id: `b${n}`, client_type: 3 })
  }
  await chat.say(1, 1, 'to myself', { msg_id: 'self' })
  await chat.say(2, 1, 'the same id', { msg_id: 'a1' })
  await chat.say(3, 1, 'another pair', { msg_id: 'a1' })
  await createReadMarks(chat.pool).mark([
    { user_id: 2, peer_id: 1, msg_id: '', server_msg_id: 3, time: 1 },
    { user_id: 1, peer_id: 2, msg_id: '', server_msg_id: 2, time: 1 },
  ])
})
after(() => chat.close())

const newest = Number.MAX_SAFE_INTEGER
const page = async (user_id: number, peer_id: number, before_: number, limit: number) =>
  (await history.pages([{ user_id, peer_id, before: before_, limit }]))[0] ?? []
const ids = (copies: readonly MessageCopy[] = []) => copies.map((copy) => copy.msg_id)

test('a page holds the newest below its end, of both users, in rising order', async () => {
  assert.deepEqual(ids(await page(1, 2, newest, 3)), ['a3', 'b3', 'a1'])
  assert.deepEqual(ids(await page(1, 2, 5, 3)), ['b1', 'a2', 'b2'])
  assert.deepEqual(ids(await page(2, 1, 5, 3)), ['b1', 'a2', 'b2'])
  assert.deepEqual(ids(await page(1, 2, 2, 3)), ['a1'])
  assert.deepEqual(ids(await page(1, 2, 1, 3)), [])
})

test('pages from the end to the beginning hold every message once', async () => {
  const seen: number[] = []
  let end = newest
  for (;;) {
    const numbers = (await page(2, 1, end, 3)).map((copy) => copy.server_msg_id)
    seen.unshift(...numbers)
    end = numbers[0] ?? 0
    if (numbers.length < 3) break
  }
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7])
})

test('a copy has the content, the sender, the device and the read state as its user sees it', async () => {
  const [own, theirs, ...rest] = await page(1, 2, newest, 20)
  assert.deepEqual(
    [own?.from_user_id, own?.to_session_id, own?.msg_data.toString(), own?.attach, own?.client_type],
    [1, 2, 'from 1, 1', 'note', 2],
  )
  assert.deepEqual([theirs?.from_user_id, theirs?.to_session_id, theirs?.client_type], [2, 1, 3])
  assert.deepEqual(
    [own, theirs, ...rest].map((copy) => copy?.read),
    [true, true, true, false, false, false, false],
  )
})

test('a pair that never talked, and one that others talked in, is empty', async () => {
  assert.deepEqual(await history.pages([]), [])
  assert.deepEqual(await page(1, 50, newest, 10), [])
  assert.deepEqual(await page(3, 2, newest, 10), [])
  assert.deepEqual(await history.latest([{ user_id: 3, peer_id: 2 }]), [undefined])
})

test('a conversation with oneself has each message once', async () => {
  assert.deepEqual(ids(await page(1, 1, newest, 10)), ['self'])
  assert.deepEqual(ids((await history.byIds([{ user_id: 1, peer_id: 1, msg_ids: ['self'] }]))[0]), ['self'])
})

test('one round trip answers many questions, each in its place', async () => {
  const pages = await history.pages([
    { user_id: 1, peer_id: 2, before: newest, limit: 1 },
    { user_id: 9, peer_id: 2, before: newest, limit: 5 },
    { user_id: 2, peer_id: 1, before: 3, limit: 5 },
  ])
  assert.deepEqual(pages.map(ids), [['a1'], [], ['a1', 'b1']])
  assert.deepEqual(
    await history.latest([
      { user_id: 9, peer_id: 2 },
      { user_id: 1, peer_id: 2 },
      { user_id: 1, peer_id: 3 },
    ]),
    [undefined, { msg_id: 'a1', server_msg_id: 7 }, { msg_id: 'a1', server_msg_id: 1 }],
  )
})

test('by id finds every match in this pair: both users may have used one msg_id', async () => {
  const [found, none] = await history.byIds([
    { user_id: 2, peer_id: 1, msg_ids: ['a1', 'b2', 'a1', 'unknown'] },
    { user_id: 1, peer_id: 2, msg_ids: [] },
  ])
  assert.deepEqual(
    found?.map((copy) => [copy.msg_id, copy.from_user_id, copy.server_msg_id]),
    [
      ['a1', 1, 1],
      ['b2', 2, 4],
      ['a1', 2, 7],
    ],
  )
  assert.deepEqual(none, [])
})

test('the largest content comes back as it was', async () => {
  const content = Buffer.alloc(32_768, 0xf0)
  await chat.say(7, 8, '', { msg_data: content })
  assert.deepEqual((await page(8, 7, newest, 1))[0]?.msg_data, content)
})
