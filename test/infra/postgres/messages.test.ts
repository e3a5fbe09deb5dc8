/** Numbering and storing on the real PostgreSQL: promises I1, I2, I4 and I6 at their root. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import {
  createAckStore,
  createDeliveryStates,
  createMessageReader,
} from '../../../infra/postgres/deliveries.js'
import { createMessageStore } from '../../../infra/postgres/messages.js'
import type { StoredMessage } from '../../../workers/ports/messages.js'
import { message } from '../../helpers/new-message.js'
import { populated } from '../../helpers/populated.js'

let pool: pg.Pool
let close: () => Promise<void>
before(async () => {
  ;({ pool, close } = await populated(99, { gone: 99 }))
})
after(() => close())

const numbersOf = (stored: readonly StoredMessage[]) => stored.map((each) => each.server_msg_id)

async function storedNumbers(conversation: string): Promise<number[]> {
  const { rows } = await pool.query<{ msg_id: number }>({
    text: 'SELECT msg_id FROM im_message_recv WHERE conversation = $1 ORDER BY msg_id',
    values: [conversation],
  })
  return rows.map((row) => row.msg_id)
}

test('numbers count 1, 2, 3 within one conversation, whoever of the two writes', async () => {
  const store = createMessageStore(pool)
  assert.deepEqual(numbersOf(await store.store([message(1, 2), message(2, 1), message(1, 2)])), [1, 2, 3])
  assert.deepEqual(numbersOf(await store.store([message(2, 1), message(1, 3)])), [4, 1])
})

test('a repeat is answered with the first number and time, and stores nothing', async () => {
  const store = createMessageStore(pool)
  const first = message(4, 5)
  const [stored] = await store.store([first])
  const [again, inSameBatch] = await store.store([first, first])
  assert.equal(stored?.repeated, false)
  for (const repeat of [again, inSameBatch]) assert.deepEqual(repeat, { ...stored, repeated: true })
  assert.deepEqual(await storedNumbers('c:4:5'), [1])
})

test('the same msg_id with another receiver, type or content is an error and changes nothing', async () => {
  const store = createMessageStore(pool)
  const first = message(6, 7)
  await store.store([first])
  const others = await store.store([
    { ...first, to_session_id: 8, conversation: 'c:6:8' },
    { ...first, msg_type: 2 },
    { ...first, msg_data: Buffer.from('other') },
    { ...first, attach: '{}' },
  ])
  assert.deepEqual(
    others.map((each) => each.res_code),
    [1, 1, 1, 1],
  )
  assert.deepEqual(await storedNumbers('c:6:7'), [1])
  assert.deepEqual(await storedNumbers('c:6:8'), [])
})

test('a message to an unknown or deactivated user is refused and takes no number', async () => {
  const store = createMessageStore(pool)
  const results = await store.store([message(9, 10), message(9, 1_000), message(9, 99), message(9, 10)])
  assert.deepEqual(
    results.map((each) => each.res_code),
    [0, 9, 9, 0],
  )
  assert.deepEqual(numbersOf(results), [1, 0, 0, 2])
})

test('a message to oneself is stored once and never unread', async () => {
  const store = createMessageStore(pool)
  const [stored] = await store.store([message(11, 11)])
  assert.equal(stored?.server_msg_id, 1)
  const { rows } = await pool.query('SELECT peer_id, last_msg_id, unread FROM im_session WHERE user_id = 11')
  assert.deepEqual(rows, [{ peer_id: 11, last_msg_id: 1, unread: 0 }])
})

test('two owners of one partition leave no hole, no double and one number per message', async () => {
  const messages = Array.from({ length: 200 }, (_, n) => message(n % 2 ? 20 : 21, n % 2 ? 21 : 20))
  const owners = [createMessageStore(pool), createMessageStore(pool), createMessageStore(pool)]
  const answers = await Promise.all(
    owners.map(async (owner) => {
      const numbers: number[] = []
      for (let at = 0; at < messages.length; at += 7)
        numbers.push(...numbersOf(await owner.store(messages.slice(at, at + 7))))
      return numbers
    }),
  )
  assert.deepEqual(answers[1], answers[0])
  assert.deepEqual(answers[2], answers[0])
  const expected = messages.map((_, at) => at + 1)
  assert.deepEqual(await storedNumbers('c:20:21'), expected)
  assert.deepEqual(
    [...(answers[0] ?? [])].sort((a, b) => a - b),
    expected,
  )
})

test('one msg_id to two receivers at once: one is stored, the other refused, no number is lost', async () => {
  for (let round = 0; round < 20; round++) {
    const msg_id = randomUUID()
    const results = await Promise.all(
      [31, 32].map((to) =>
        createMessageStore(pool).store([message(30, to), message(30, to, { msg_id }), message(30, to)]),
      ),
    )
    assert.deepEqual(results.map((each) => each[1]?.res_code).sort(), [0, 1])
  }
  for (const conversation of ['c:30:31', 'c:30:32']) {
    const numbers = await storedNumbers(conversation)
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => at + 1),
    )
  }
})

test('unread counts what the other side wrote, under concurrent writers too', async () => {
  await Promise.all(
    Array.from({ length: 10 }, () =>
      createMessageStore(pool).store([message(40, 41), message(40, 41), message(41, 40)]),
    ),
  )
  const { rows } = await pool.query(
    'SELECT user_id, peer_id, last_msg_id, unread FROM im_session WHERE user_id IN (40, 41) ORDER BY user_id',
  )
  assert.deepEqual(rows, [
    { user_id: 40, peer_id: 41, last_msg_id: 30, unread: 10 },
    { user_id: 41, peer_id: 40, last_msg_id: 30, unread: 20 },
  ])
})

test('text in several scripts, 32 KiB of binary and the largest ids come back byte for byte', async () => {
  const largest = 2 ** 48 - 1
  await pool.query({
    text: "INSERT INTO im_user (user_id, nick_name, created, updated) VALUES ($1, '☕', 0, 0)",
    values: [largest],
  })
  const sent = [
    message(largest, 50, { msg_data: Buffer.from('你好 👋🏽 سلام नमस्ते é') }),
    message(50, largest, {
      msg_data: Buffer.alloc(32_768, 0xfe),
      attach: '{"a":"é"}',
      mention: [largest, 1],
    }),
  ]
  const stored = await createMessageStore(pool).store(sent)
  const read = await createMessageReader(pool).of(
    sent.map((each, at) => ({
      reader_user_id: each.to_session_id,
      from_user_id: each.from_user_id,
      msg_id: each.msg_id,
      conversation: each.conversation,
      server_msg_id: stored[at]?.server_msg_id ?? 0,
    })),
  )
  assert.deepEqual(
    read.map((each) => [each?.to_session_id, Buffer.from(each?.msg_data ?? []), each?.attach, each?.mention]),
    sent.map((each) => [each.to_session_id, each.msg_data, each.attach, each.mention]),
  )
})

test('an ack marks the copy of its reader only, once; a stranger cannot ack', async () => {
  const sent = message(60, 61)
  const [stored] = await createMessageStore(pool).store([sent])
  const ack = { from_user_id: 60, msg_id: sent.msg_id, time: 1_000 }
  const acks = createAckStore(pool)
  for (let twice = 0; twice < 2; twice++)
    await acks.flush([
      { ...ack, reader_user_id: 61, device: '2' },
      { ...ack, reader_user_id: 61, device: '3:tab', time: 2_000 },
      { ...ack, reader_user_id: 62, device: '2' },
      { ...ack, reader_user_id: 60, device: '5' },
    ])
  const key = {
    from_user_id: 60,
    msg_id: sent.msg_id,
    conversation: 'c:60:61',
    server_msg_id: stored?.server_msg_id ?? 0,
  }
  const states = await createDeliveryStates(pool).of(
    [60, 61, 62].map((reader_user_id) => ({ ...key, reader_user_id })),
  )
  assert.deepEqual(
    states.map((state) => state && { ...state, acked_by: [...state.acked_by].sort() }),
    [{ acked_by: ['5'], read: false }, { acked_by: ['2', '3:tab'], read: false }, undefined],
  )
  const { rows } = await pool.query('SELECT delivered, delivered_at FROM im_message_recv WHERE msg_to = 61')
  assert.deepEqual(rows, [{ delivered: 1, delivered_at: 1_000 }])
})

test('from the first message on nothing is looked for from end to end', async () => {
  const fresh = await populated(99, { connections: 1 })
  const store = createMessageStore(fresh.pool)
  for (let n = 1; n < 50; n++) await store.store([message(n, n + 1), message(n + 2, n)])
  await fresh.pool.query('SELECT pg_stat_force_next_flush()')
  const { rows } = await fresh.pool.query<{ relname: string; seq_scan: number }>(
    `SELECT relname, seq_scan FROM pg_stat_user_tables WHERE seq_scan > 0
      AND (relname LIKE 'im_message%' OR relname IN ('im_session', 'im_conversation'))`,
  )
  await fresh.close()
  assert.deepEqual(rows, [])
})
