/** What became of a message with each reader, as app servers are told, on the real PostgreSQL. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createAckStore } from '../../../infra/postgres/deliveries.js'
import { createPushRecords } from '../../../infra/postgres/push-records.js'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import { livingGroup, type Said } from '../../helpers/living-group.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'

let chat: StoredChat
before(async () => {
  chat = await openStoredChat()
})
after(() => chat.close())

const ack = (reader_user_id: number, { from, msg_id }: Said, device: string) =>
  createAckStore(chat.pool).flush(
    [{ reader_user_id, from_user_id: from, msg_id, device, time: 1 }],
    async () => {},
  )

for (const [kind, writeDiffusionMax] of [
  ['writing', 500],
  ['reading', 2],
] as const)
  test(`of a group by ${kind} each reader's devices that acked are told, page by page`, async () => {
    const users = [0, 1, 2, 3].map((n) => n + writeDiffusionMax)
    const [sender = 0, first = 0, second = 0, third = 0] = users
    const group = await livingGroup(chat.pool, users, writeDiffusionMax)
    const said = await group.say(sender)
    const later = await group.say(sender)
    await ack(first, said, '2')
    await ack(first, said, '3:web')
    await ack(second, later, '2')
    await createReadMarks(chat.pool).mark([
      { user_id: third, peer_id: group.group_id, msg_id: '', server_msg_id: said.number, time: 1 },
    ])
    const asked = { from_user_id: sender, msg_id: said.msg_id }
    const all = await createPushRecords(chat.pool).deliveriesOf({ ...asked, after: 0, limit: 10 })
    assert.deepEqual(
      all?.readers.map(({ reader_user_id, read, acked_by }) => [reader_user_id, read, [...acked_by].sort()]),
      [
        [first, false, ['2', '3:web']],
        [second, false, []],
        [third, true, []],
      ],
    )
    assert.equal(all?.hasMore, false)
    const page = await createPushRecords(chat.pool).deliveriesOf({ ...asked, after: first, limit: 1 })
    assert.deepEqual([page?.readers.map((each) => each.reader_user_id), page?.hasMore], [[second], true])
  })

test('of a single message its reader, and of a note to oneself nobody', async () => {
  const msg_id = 'hello'
  await chat.say(10, 11, 'hello', { msg_id })
  await ack(11, { from: 10, msg_id, number: 1 }, '2')
  const records = createPushRecords(chat.pool)
  const found = await records.deliveriesOf({ from_user_id: 10, msg_id, after: 0, limit: 10 })
  assert.deepEqual(
    found?.readers.map(({ reader_user_id, acked_by }) => [reader_user_id, acked_by]),
    [[11, ['2']]],
  )
  await chat.say(10, 10, 'note', { msg_id: 'note' })
  const note = await records.deliveriesOf({ from_user_id: 10, msg_id: 'note', after: 0, limit: 10 })
  assert.deepEqual(note?.readers, [])
})
