import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFollowing } from '../../gateway/following.js'
import type { OutboundPacket, Target } from '../../gateway/targets.js'
import type { Metrics } from '../../schemas/metrics.js'
import { commands } from '../../schemas/packets.js'

function world() {
  const seen: [string, number][] = []
  const metrics = {
    count() {},
    gauge() {},
    observe: (name: string, value: number) => void seen.push([name, value]),
  } as Metrics
  let time = 0
  const following = createFollowing(metrics, () => time)
  const message = (msg_id: string, msg_feature = 0): OutboundPacket => ({
    command_id: commands.MSG_DATA.id,
    body: commands.MSG_DATA.type
      .encode({
        from_user_id: 1,
        to_session_id: 2,
        msg_id,
        create_time: Date.now() - 40,
        msg_type: 1,
        msg_data: Buffer.from('x'),
        session_type: 1,
        msg_feature,
      } as never)
      .finish(),
    ref: { msg_id } as never,
  })
  const to = (connection_id: number) => ({ connection_id }) as Target
  const names = () => seen.map(([name]) => name)
  return { following, message, to, seen, names, pass: (ms: number) => (time += ms) }
}

test('one message of a batch is looked at, and followed to the ack of its device', () => {
  const { following, message, to, seen, names, pass } = world()
  following.written({ body: Buffer.alloc(0) } as OutboundPacket, to(9))
  following.written(message('first'), to(1))
  following.written(message('second'), to(2))
  following.batchEnded(Date.now())
  pass(12)
  following.acked(2, 'second')
  following.acked(1, 'another')
  following.acked(2, 'first')
  assert.deepEqual(names(), ['delivery_age_ms', 'outbound_age_ms'])
  assert.ok(seen[0]![1] >= 40 && seen[0]![1] < 5_000)
  following.acked(1, 'first')
  following.acked(1, 'first')
  assert.deepEqual(seen.at(-1), ['ack_delay_ms', 12])
  assert.equal(seen.length, 3)
})

test('a message that is delivered again says nothing of its age', () => {
  const { following, message, to, names } = world()
  following.written(message('m', 1), to(1))
  following.acked(1, 'm')
  assert.deepEqual(names(), [])
})

test('a device that never acks is given up after a minute', () => {
  const { following, message, to, seen, pass } = world()
  following.written(message('a'), to(1))
  following.batchEnded(Date.now())
  pass(30_000)
  following.written(message('b'), to(2))
  following.batchEnded(Date.now())
  following.acked(2, 'b')
  pass(31_000)
  following.written(message('c'), to(3))
  pass(5)
  following.acked(3, 'c')
  assert.deepEqual(seen.at(-1), ['ack_delay_ms', 5])
  assert.equal(seen.filter(([name]) => name === 'ack_delay_ms').length, 1)
})
