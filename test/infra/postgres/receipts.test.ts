/** Who has received and who has read a message, on the real PostgreSQL: spec 2, "Read and unread". */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import { createReceipts } from '../../../infra/postgres/receipts.js'
import type { MessageReceipts, Receipts } from '../../../workers/ports/receipts.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'
import { storeGroup } from '../../helpers/stored-group.js'

let chat: StoredChat
let receipts: Receipts

before(async () => {
  chat = await openStoredChat()
  receipts = createReceipts(chat.pool)
})
after(() => chat.close())

const of = async (user_id: number, msg_id: string) => (await receipts.of([{ user_id, msg_id }]))[0]
const lists = (found: MessageReceipts | undefined) => [found?.read, found?.received, found?.waiting]

const deliver = (reader: number, number: number) =>
  chat.pool.query({
    text: 'UPDATE im_message_recv SET delivered = 1 WHERE msg_to = $1 AND msg_id = $2',
    values: [reader, number],
  })
const read = (user_id: number, peer_id: number, server_msg_id: number) =>
  createReadMarks(chat.pool).mark([{ user_id, peer_id, msg_id: '', server_msg_id, time: 1 }])

test('each reader of a group message is in one list: read, received or waiting', async () => {
  const group = await storeGroup(chat.pool, [1, 2, 3, 4])
  const number = await group.say(1, 'hello', { msg_id: 'hello' })
  assert.deepEqual(await of(1, 'hello'), {
    session_id: group.group_id,
    server_msg_id: number,
    read: [],
    received: [],
    waiting: [2, 3, 4],
  })
  await deliver(3, number)
  await read(4, group.group_id, number)
  assert.deepEqual(lists(await of(1, 'hello')), [[4], [3], [2]])
  await read(2, group.group_id, number - 1)
  assert.deepEqual(lists(await of(1, 'hello')), [[4], [3], [2]])
  await read(3, group.group_id, number)
  assert.deepEqual(lists(await of(1, 'hello')), [[3, 4], [], [2]])
})

test('a reader is who was a member when it was said, whoever is one now', async () => {
  const group = await storeGroup(chat.pool, [10, 11, 12])
  await group.say(10, 'early', { msg_id: 'early' })
  await group.leave(12)
  await group.join(13)
  await group.say(10, 'late', { msg_id: 'late' })
  assert.deepEqual((await of(10, 'early'))?.waiting, [11, 12])
  assert.deepEqual((await of(10, 'late'))?.waiting, [11, 13])
})

test('a message that is not fanned out yet has its readers all the same', async () => {
  const group = await storeGroup(chat.pool, [20, 21])
  await group.say(20, 'just now', { msg_id: 'just-now', unfanned: true })
  assert.deepEqual(lists(await of(20, 'just-now')), [[], [], [21]])
})

test('the peer of a single chat is its one reader, a message to oneself has none', async () => {
  await chat.say(30, 31, 'hello', { msg_id: 'single' })
  assert.deepEqual(lists(await of(30, 'single')), [[], [], [31]])
  await deliver(31, 1)
  assert.deepEqual(lists(await of(30, 'single')), [[], [31], []])
  await read(31, 30, 1)
  assert.deepEqual(lists(await of(30, 'single')), [[31], [], []])
  await chat.say(30, 30, 'note', { msg_id: 'note' })
  assert.deepEqual(lists(await of(30, 'note')), [[], [], []])
})

test('only the sender finds it; each question is answered in its place', async () => {
  const found = await receipts.of([
    { user_id: 31, msg_id: 'single' },
    { user_id: 30, msg_id: 'single' },
    { user_id: 30, msg_id: 'never written' },
  ])
  assert.deepEqual(
    found.map((each) => each?.session_id),
    [undefined, 31, undefined],
  )
})
