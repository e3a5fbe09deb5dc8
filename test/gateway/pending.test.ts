import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newConnection, type Transport } from '../../gateway/connection.js'
import { createPending, type PendingRequest } from '../../gateway/pending.js'
import { commands } from '../../schemas/packets.js'

const nowhere: Transport = {
  send() {},
  unsentBytes: () => 0,
  pause() {},
  resume() {},
  end() {},
  destroy() {},
}
const limit = { per_second: 1, burst: 1 }
const connection = () => newConnection(nowhere, '127.0.0.1', 0, { packets: limit, acks: limit })
const ack = commands.MSG_DATA_ACK.id

test('a request that nobody answers is late once, in the order of arrival', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const late: number[] = []
  let time = 0
  const pending = createPending({
    timeout_ms: 8_000,
    onAnswered() {},
    now: () => time,
    onLate: ({ seq }) => late.push(seq),
  })
  const client = connection()
  const pass = (ms: number): void => {
    time += ms
    t.mock.timers.tick(ms)
  }
  pending.add(client, 'MSG_DATA', 1)
  pass(1_000)
  pending.add(client, 'MSG_DATA', 2)
  pending.add(client, 'MSG_LIST_REQ', 3)
  pending.settle(client, 2, ack)
  pass(7_001)
  assert.deepEqual(late, [1])
  pass(1_001)
  assert.deepEqual(late, [1, 3])
  assert.equal(pending.size(), 0)
  assert.equal(client.requests.length, 0)
})

test('an answer settles the oldest request with its seq_num and command', () => {
  const pending = createPending({ timeout_ms: 8_000, onAnswered() {}, now: () => 0, onLate() {} })
  const client = connection()
  const [first, second, query] = [
    pending.add(client, 'MSG_DATA', 0),
    pending.add(client, 'MSG_DATA', 0),
    pending.add(client, 'MSG_LIST_REQ', 0),
  ]
  const settled = () => [first, second, query].map((request: PendingRequest) => request.settled)
  pending.settle(client, 0, ack)
  assert.deepEqual(settled(), [true, false, false])
  pending.settle(client, 0, commands.MSG_LIST_RSP.id)
  assert.deepEqual(settled(), [true, false, true])
  pending.settle(client, 7, ack)
  pending.settle(client, 0, commands.ERROR_NOTIFY.id)
  assert.deepEqual(settled(), [true, true, true])
  pending.stop()
})

test('a request whose record the bus did not confirm is late at once, unless it was answered', () => {
  const late: number[] = []
  const pending = createPending({
    timeout_ms: 8_000,
    onAnswered() {},
    now: () => 0,
    onLate: ({ seq }) => late.push(seq),
  })
  const client = connection()
  const answered = pending.add(client, 'MSG_DATA', 1)
  const open = pending.add(client, 'MSG_DATA', 2)
  pending.settle(client, 1, ack)
  pending.fail(answered)
  pending.fail(open)
  pending.fail(open)
  assert.deepEqual(late, [2])
  pending.stop()
})

test('nobody waits for the answers of a connection that is gone', () => {
  const pending = createPending({
    timeout_ms: 8_000,
    onAnswered() {},
    now: () => 0,
    onLate: () => assert.fail(),
  })
  const client = connection()
  const request = pending.add(client, 'MSG_DATA', 1)
  pending.forget(client)
  pending.fail(request)
  assert.equal(pending.size(), 0)
  pending.stop()
})

test('ten thousand answered requests leave nothing behind', () => {
  const pending = createPending({
    timeout_ms: 8_000,
    onAnswered() {},
    now: () => 0,
    onLate: () => assert.fail(),
  })
  const client = connection()
  for (let seq = 0; seq < 10_000; seq++) {
    pending.add(client, 'MSG_DATA', seq)
    pending.settle(client, seq, ack)
  }
  assert.equal(pending.size(), 0)
  assert.equal(client.requests.length, 0)
  pending.stop()
})
