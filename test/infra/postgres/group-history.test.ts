/** What groups have said, as their members see it, on the real PostgreSQL: spec 2, "Pulling" and "Group chat" 6. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createMessageHistory } from '../../../infra/postgres/history.js'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import type { MessageCopy, MessageHistory, NeverMember } from '../../../workers/ports/queries.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'
import { type StoredGroup, storeGroup } from '../../helpers/stored-group.js'

let chat: StoredChat
let history: MessageHistory
/** 1 the creation, 2 … 4 said, 5 user 4 joins, 6 said, 7 user 3 leaves, 8 said. */
let group: StoredGroup

before(async () => {
  chat = await openStoredChat()
  history = createMessageHistory(chat.pool)
  group = await storeGroup(chat.pool, [1, 2, 3])
  await group.say(1, 'one', { msg_id: 'a' })
  await group.say(2, 'two', { msg_id: 'b' })
  await group.say(3, 'three', { msg_id: 'a' })
  await group.join(4)
  await group.say(1, 'four', { msg_id: 'c' })
  await group.leave(3)
  await group.say(2, 'five', { msg_id: 'a', unfanned: true })
})
after(() => chat.close())

const newest = Number.MAX_SAFE_INTEGER
const page = async (user_id: number, before_ = newest, limit = 100, of = group.group_id) =>
  (await history.pages([{ user_id, peer_id: of, before: before_, limit }]))[0] ?? []
const numbers = (copies: readonly MessageCopy[] | NeverMember = []) =>
  typeof copies === 'string' ? copies : copies.map((copy) => copy.server_msg_id)

test('a member from the beginning sees everything, before its fan-out too', async () => {
  assert.deepEqual(numbers(await page(2)), [1, 2, 3, 4, 5, 6, 7, 8])
  assert.deepEqual(numbers(await page(1)), [1, 2, 3, 4, 5, 6, 7, 8])
})

test('who joined later sees nothing from before, from the change that added them on', async () => {
  assert.deepEqual(numbers(await page(4)), [5, 6, 7, 8])
  assert.deepEqual(numbers(await page(4, 6)), [5])
  assert.deepEqual(numbers(await page(4, 5)), [])
})

test('who left sees what came before, and not their leaving', async () => {
  assert.deepEqual(numbers(await page(3)), [1, 2, 3, 4, 5, 6])
  assert.deepEqual(numbers(await page(3, newest, 2)), [5, 6])
  const [latest] = await history.latest([{ user_id: 3, peer_id: group.group_id }])
  assert.deepEqual(latest, { msg_id: 'c', server_msg_id: 6 })
})

test('who never was a member is told so, of a group that is not there too', async () => {
  const nowhere = group.group_id + 1_000
  for (const [user_id, peer_id] of [
    [5, group.group_id],
    [1, nowhere],
  ] as const) {
    assert.equal(await page(user_id, newest, 10, peer_id), 'never-member')
    assert.deepEqual(await history.latest([{ user_id, peer_id }]), ['never-member'])
    assert.deepEqual(await history.byIds([{ user_id, peer_id, msg_ids: ['a'] }]), ['never-member'])
  }
})

test('pages hold the newest below their end, in rising order', async () => {
  assert.deepEqual(numbers(await page(1, newest, 3)), [6, 7, 8])
  assert.deepEqual(numbers(await page(1, 6, 3)), [3, 4, 5])
  assert.deepEqual(numbers(await page(1, 3, 3)), [1, 2])
})

test('joining again starts a new horizon', async () => {
  const again = await storeGroup(chat.pool, [10, 11])
  await again.say(10, 'before')
  await again.leave(11)
  await again.say(10, 'in between')
  assert.deepEqual(numbers(await page(11, newest, 10, again.group_id)), [1, 2])
  const joined = await again.join(11)
  assert.deepEqual(numbers(await page(11, newest, 10, again.group_id)), [joined])
})

test('by id finds what any member wrote under that id, as far as the membership covers it', async () => {
  const byId = async (user_id: number, msg_ids: readonly string[]) =>
    numbers((await history.byIds([{ user_id, peer_id: group.group_id, msg_ids }]))[0])
  assert.deepEqual(await byId(1, ['a', 'c', 'unknown']), [2, 4, 6, 8])
  assert.deepEqual(await byId(4, ['a', 'b', 'c']), [6, 8])
  assert.deepEqual(await byId(3, ['a', 'b', 'c']), [2, 3, 4, 6])
  assert.deepEqual(await byId(1, []), [])
})

test('a copy names its sender and the group; what others wrote is read up to the position, the own never', async () => {
  await createReadMarks(chat.pool).mark([
    { user_id: 2, peer_id: group.group_id, msg_id: '', server_msg_id: 4, time: 1 },
  ])
  const copies = await page(2)
  assert.ok(typeof copies !== 'string')
  assert.deepEqual(
    copies
      .slice(1, 4)
      .map((copy) => [copy.from_user_id, copy.to_session_id, copy.msg_data.toString(), copy.read]),
    [
      [1, group.group_id, 'one', true],
      [2, group.group_id, 'two', false],
      [3, group.group_id, 'three', true],
    ],
  )
  assert.deepEqual(
    copies.slice(4).map((copy) => copy.read),
    [false, false, false, false],
  )
})

test('pairs and groups asked at the same time are answered each in its place', async () => {
  await chat.say(1, 2, 'in a pair', { msg_id: 'pair' })
  const asked = [group.group_id, 2, group.group_id + 1_000, 900].map((peer_id) => ({ user_id: 1, peer_id }))
  assert.deepEqual(await history.latest(asked), [
    { msg_id: 'a', server_msg_id: 8 },
    { msg_id: 'pair', server_msg_id: 1 },
    'never-member',
    undefined,
  ])
})
