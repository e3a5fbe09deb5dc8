/** Who learns of a read, decided without I/O: spec 2, "Read and unread". */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { coffeechat } from '../../proto/index.js'
import { commandName, commands } from '../../schemas/packets.js'
import type { PresentDevice } from '../../workers/ports/presence.js'
import type { ReadMark } from '../../workers/ports/reads.js'
import { readMarker } from '../../workers/read-marker.worker.js'

const device = (user_id: number, gate_id: string, connection_id: number): PresentDevice => ({
  user_id,
  device: { client_type: connection_id },
  gate_id,
  gate_epoch: 1,
  connection_id,
  login_number: 5,
  since: 0,
})

const origin = {
  gate_id: 'g1',
  gate_epoch: 1,
  connection_id: 1,
  login_number: 5,
  user_id: 10,
  device: { client_type: 1 },
  seq_num: 9,
}
const place = { topic: '', partition: 0, offset: 0, appended: 0 }

const request = (more: Partial<coffeechat.event.IReadRequested['read']> = {}) => ({
  origin,
  time: 123,
  read: { user_id: 10, session_id: 20, msg_id: 'm3', session_type: 1, server_msg_id: 3, ...more },
})

const present = new Map([
  [10, [device(10, 'g1', 1), device(10, 'g1', 2), device(10, 'g2', 1)]],
  [20, [device(20, 'g1', 3), device(20, 'g1', 4)]],
])
const moved: ReadMark = { changed: true, server_msg_id: 3, msg_id: 'm3' }

function told(read: ReturnType<typeof request>, mark: ReadMark) {
  const [outcome] = readMarker.decide(read, present, place)
  assert.ok(outcome?.kind === 'save')
  return (readMarker.saved?.(outcome.row, mark) ?? []).map((each) => {
    if (each.topic.name === 'receipt.changed') return each.event
    const { packet } = each.event as coffeechat.event.IOutbound
    const [only] = packet ?? []
    assert.ok(only)
    assert.equal(commandName(only.command_id ?? 0), 'MSG_READ_NOTIFY')
    const body = commands.MSG_READ_NOTIFY.type.decode(only.body)
    return {
      gate: each.instance,
      connections: only.target?.map((target) => target.connection_id),
      session_id: body.session_id,
      read: [body.user_id, body.msg_id, body.server_msg_id],
      seq: only.target?.[0]?.seq_num,
    }
  })
}

test("the peer's devices and the reader's others are told, each with the session as it lists it", () => {
  const read = [10, 'm3', 3]
  assert.deepEqual(told(request(), moved), [
    { gate: 'g1', connections: [3, 4], session_id: 10, read, seq: undefined },
    { gate: 'g1', connections: [2], session_id: 20, read, seq: undefined },
    { gate: 'g2', connections: [1], session_id: 20, read, seq: undefined },
    {
      conversation: 'c:10:20',
      reader_user_id: '10',
      server_msg_id: '3',
      state: 'read',
      client_type: 1,
      time: 123,
    },
  ])
})

test('a read that changed nothing tells nobody', () => {
  assert.deepEqual(told(request(), { changed: false, server_msg_id: 0, msg_id: '' }), [])
})

test('in a conversation with oneself only the other devices are told', () => {
  const sessions = told(request({ session_id: 10 }), moved).map((each) => 'gate' in each && each.session_id)
  assert.deepEqual(sessions, [10, 10, false])
})

test("a read of a group is told to the reader's other devices and to nobody else", () => {
  const group = 2 ** 48
  const inGroup = told(request({ session_id: group, session_type: 2 }), moved)
  assert.deepEqual(
    inGroup.map((each) =>
      'gate' in each
        ? [each.gate, each.connections, each.session_id]
        : 'conversation' in each && each.conversation,
    ),
    [['g1', [2], group], ['g2', [1], group], `g:${group}`],
  )
})

test('a read of a wrong session type is answered', () => {
  for (const wrong of [{ session_type: 2 }, { session_id: 2 ** 48 }, { session_id: 0 }]) {
    const [outcome] = readMarker.decide(request(wrong), present, place)
    assert.ok(outcome?.kind === 'emit' && outcome.topic.name === 'gate.{}.outbound')
    const packet = (outcome.event as coffeechat.event.IOutbound).packet?.[0]
    assert.equal(commandName(packet?.command_id ?? 0), 'ERROR_NOTIFY')
  }
})
