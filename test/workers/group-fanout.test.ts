/** What follows from a group message that has its rows, by tables. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { coffeechat } from '../../proto/index.js'
import { topics } from '../../schemas/topics.js'
import { groupFanout } from '../../workers/group-fanout.worker.js'

type Delivery = coffeechat.event.IDeliveryRequested

const group_id = 2 ** 48
const requested: coffeechat.event.IFanoutRequested = {
  ref: {
    from_user_id: 1,
    to_session_id: group_id,
    msg_id: 'm',
    session_type: 2,
    conversation: `g:${group_id}`,
    server_msg_id: 5,
  },
  body: Buffer.from('body'),
  origin: {
    gate_id: 'g1',
    gate_epoch: 1,
    connection_id: 10,
    login_number: 3,
    user_id: 1,
    device: { client_type: 2 },
    seq_num: 4,
  },
  stored_time: 100,
  msg_type: 1,
}

const deliveries = (readers: readonly number[]): readonly Delivery[] =>
  (groupFanout.saved?.(requested, readers) ?? []).map(({ event }) => event)

test('all readers of a message share a delivery, which names the message as the fan-out did', () => {
  const [delivery, ...others] = deliveries([2, 3])
  assert.deepEqual(others, [])
  assert.deepEqual(delivery, { ...requested, reader_user_id: [2, 3] })
})

test('many readers are divided, and the sender’s other devices are in the first part only', () => {
  const readers = Array.from({ length: 1_001 }, (_, at) => at + 2)
  const parts = deliveries(readers)
  assert.deepEqual(
    parts.map((part) => [part.reader_user_id?.length, part.readers_only ?? false]),
    [
      [500, false],
      [500, true],
      [1, true],
    ],
  )
  assert.deepEqual(
    parts.flatMap((part) => part.reader_user_id),
    readers,
  )
})

test('a message without readers goes to the sender’s other devices', () => {
  assert.deepEqual(
    deliveries([]).map((part) => part.reader_user_id),
    [[]],
  )
})

test('a sender who left with the message gets no copy, however many readers there are', () => {
  const left = { ...requested, readers_only: true }
  const parts =
    groupFanout.saved?.(
      left,
      Array.from({ length: 501 }, (_, at) => at + 2),
    ) ?? []
  assert.deepEqual(
    parts.map(({ event }) => event.readers_only),
    [true, true],
  )
})

test('order within a group is kept: the key is the conversation', () => {
  assert.equal(topics.fanoutRequested.key(requested), `g:${group_id}`)
})
