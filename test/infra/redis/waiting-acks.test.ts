/** Who has received a message, before the flush, on the real Redis. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { createPendingAcks } from '../../../infra/redis/acks.js'
import { createPresence } from '../../../infra/redis/presence.js'
import { withWaitingAcks } from '../../../infra/redis/waiting-acks.js'
import { parseDeviceKey } from '../../../schemas/ids.js'
import type { MessageReceipts } from '../../../workers/ports/receipts.js'
import { freshRedis } from '../../helpers/redis.js'

const { redis, keys, forgetAll } = freshRedis()
const policy = 'one-per-type'
const presence = createPresence({ redis, keys, policy })
const pending = createPendingAcks({ redis, keys, lanes: 2, shown_ms: 0, presence, policy })
/** Users 3 … 6 have a phone, 5 a PC too. */
const devices = {
  of: async (users: readonly number[]) =>
    new Map(users.map((user) => [user, (user === 5 ? ['2', '5:pc'] : ['2']).map(parseDeviceKey)])),
}
const stored = { session_id: 2 ** 48, server_msg_id: 7, read: [2], received: [4], waiting: [3, 5, 6] }
const receiptsOf = (...answers: (MessageReceipts | undefined)[]) =>
  withWaitingAcks({ of: async () => answers }, devices, pending)

beforeEach(async () => {
  await forgetAll()
  await pending.claim([0, 1])
})

const ack = (reader_user_id: number, device: string, msg_id: string) =>
  pending.add(reader_user_id % 2, [
    { reader_user_id, device, from_user_id: 1, msg_id, login_number: 1, time: 1 },
  ])

test('whose device has acked has received it, though the ack was not flushed', async () => {
  await ack(5, '5:pc', 'm')
  await ack(3, '2', 'm')
  await ack(6, '2', 'another')
  const [answer] = await receiptsOf(stored).of([{ user_id: 1, msg_id: 'm' }])
  assert.deepEqual(answer, { ...stored, received: [3, 4, 5], waiting: [6] })
})

test('who is no reader has received nothing, whatever they acked', async () => {
  await ack(9, '2', 'm')
  const asked = [1, 1].map((user_id) => ({ user_id, msg_id: 'm' }))
  assert.deepEqual(await receiptsOf(undefined, { ...stored, waiting: [] }).of(asked), [
    undefined,
    { ...stored, waiting: [] },
  ])
})
