/** Whose device was the first to have a message is told before it is marked, on the real PostgreSQL. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { createAckStore } from '../../../infra/postgres/deliveries.js'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import type { AckedCopy } from '../../../workers/ports/messages.js'
import { livingGroup } from '../../helpers/living-group.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'

let chat: StoredChat
before(async () => {
  chat = await openStoredChat()
})
after(() => chat?.close())

type Ack = readonly [reader: number, from: number, msg_id: string, device?: string, time?: number]
const toCopy = ([reader_user_id, from_user_id, msg_id, device = '2', time = 5]: Ack): AckedCopy => ({
  ...{ reader_user_id, from_user_id, msg_id, device, time },
})

/** `conversation number reader device time` of each first delivery that is announced. */
async function flushed(acks: readonly Ack[], announced?: 'off' | 'single' | 'all'): Promise<string[]> {
  const told: string[] = []
  await createAckStore(chat.pool, announced).flush(acks.map(toCopy), async (first) => {
    for (const { conversation, server_msg_id, reader_user_id, device, time } of first)
      told.push([conversation, server_msg_id, reader_user_id, device, time].join(' '))
  })
  return told
}

async function said(from: number, to: number, count = 1): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID())
  for (const msg_id of ids) await chat.say(from, to, 'hello', { msg_id })
  return ids
}

test('the first device of the receiver counts, once; later ones, strangers and the sender do not', async () => {
  const [id = ''] = await said(1, 2)
  assert.deepEqual(await flushed([[1, 1, id, '5']]), [])
  assert.deepEqual(await flushed([[3, 1, id]]), [])
  assert.deepEqual(
    await flushed([
      [2, 1, id, '3:tab', 9],
      [2, 1, id, '2', 7],
    ]),
    ['c:1:2 1 2 2 7'],
  )
  assert.deepEqual(await flushed([[2, 1, id, '4', 8]]), [])
  assert.deepEqual(await flushed([[2, 1, 'never-sent']]), [])
})

test('those of one flush come in the order of their numbers', async () => {
  const ids = await said(11, 12, 5)
  assert.deepEqual(
    await flushed(ids.toReversed().map((id): Ack => [12, 11, id])),
    [1, 2, 3, 4, 5].map((number) => `c:11:12 ${number} 12 2 5`),
  )
})

test('where nobody could be told nothing is marked, and the next flush tells it', async () => {
  const [id = ''] = await said(21, 22)
  const acks = createAckStore(chat.pool)
  const refusing = acks.flush([toCopy([22, 21, id])], () => Promise.reject(new Error('the bus is away')))
  await assert.rejects(refusing, /the bus is away/)
  assert.deepEqual(await flushed([[22, 21, id]]), ['c:21:22 1 22 2 5'])
})

test('what was read before is not told: the read has said so', async () => {
  const ids = await said(31, 32, 3)
  await createReadMarks(chat.pool).mark([
    { user_id: 32, peer_id: 31, msg_id: ids[1]!, server_msg_id: 0, time: 6 },
  ])
  assert.deepEqual(await flushed(ids.map((id): Ack => [32, 31, id])), ['c:31:32 3 32 2 5'])
})

for (const [kind, limit] of [
  ['writing', 100],
  ['reading', 1],
] as const)
  test(`in a group by ${kind} each member counts, where groups are told`, async () => {
    const group = await livingGroup(chat.pool, [41, 42, 43], limit)
    const { number, msg_id } = await group.say(41)
    const acks: Ack[] = [
      [42, 41, msg_id],
      [43, 41, msg_id, '3'],
      [44, 41, msg_id],
      [41, 41, msg_id, '5'],
    ]
    const told = [42, 43].map((user) => `g:${group.group_id} ${number} ${user} ${user === 42 ? 2 : 3} 5`)
    assert.deepEqual((await flushed(acks, 'all')).toSorted(), told)
    assert.deepEqual(await flushed([[42, 41, msg_id, '6'], ...acks], 'all'), [])
    const { msg_id: next } = await group.say(41)
    assert.deepEqual(await flushed([[42, 41, next]], 'single'), [])
  })

test('where it is off nobody is told, and the acks are marked all the same', async () => {
  const [id = ''] = await said(51, 52)
  assert.deepEqual(await flushed([[52, 51, id]], 'off'), [])
  assert.deepEqual(await flushed([[52, 51, id]], 'all'), [])
})
