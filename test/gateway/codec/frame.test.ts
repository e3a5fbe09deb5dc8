import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFrameReader, writePacket } from '../../../gateway/codec/frame.js'
import { commands } from '../../../schemas/packets.js'

const heartbeat = commands.HEARTBEAT.id
const reader = (maxPacketBytes = 65_536) => createFrameReader({ maxPacketBytes })

function header(length: number, version = 1): Buffer {
  const bytes = writePacket(heartbeat, 7, Buffer.alloc(0))
  bytes.writeUInt32BE(length, 0)
  bytes.writeUInt16BE(version, 4)
  return bytes
}

test('a header is length, version 1, flag 0, service 0, command, seq, reserved 0, all big-endian', () => {
  const packet = writePacket(0xabcd, 65_535, Buffer.from('hi'))
  assert.equal(packet.toString('hex'), '0000001200010000' + '0000abcdffff0000' + '6869')
})

test('flag, service_id and reserved of a client are ignored', () => {
  const packet = Buffer.from('00000010' + '0001ffff' + 'ffff0105' + '0007ffff', 'hex')
  assert.deepEqual(reader().push(packet), {
    frames: [{ commandId: heartbeat, seq: 7, body: Buffer.alloc(0) }],
  })
})

test('a packet of exactly the limit is taken, one byte more is refused', () => {
  const body = Buffer.alloc(84, 'x')
  assert.equal(reader(100).push(writePacket(heartbeat, 1, body)).frames.length, 1)
  assert.deepEqual(reader(99).push(writePacket(heartbeat, 1, body)).violation, {
    kind: 'length',
    length: 100,
  })
})

test('an impossible length is refused as soon as its four bytes are there', () => {
  for (const length of [0, 15, 65_537, 0xffff_ffff]) {
    const split = reader()
    assert.equal(split.push(header(length).subarray(0, 3)).violation, undefined)
    assert.deepEqual(split.push(header(length).subarray(3, 4)).violation, { kind: 'length', length })
    assert.equal(split.pendingBytes(), 0)
  }
})

test('another version is refused with command and seq once the header is there, before its body', () => {
  const split = reader()
  assert.equal(split.push(header(5_000, 2).subarray(0, 15)).violation, undefined)
  assert.deepEqual(split.push(header(5_000, 2).subarray(15)).violation, {
    kind: 'version',
    version: 2,
    commandId: heartbeat,
    seq: 7,
  })
})

test('the length is judged before the version', () => {
  assert.equal(reader().push(header(15, 2)).violation?.kind, 'length')
})

test('packets in front of a violation are handed out, those behind it are not', () => {
  const good = header(16)
  const split = reader()
  const { frames, violation } = split.push(Buffer.concat([good, good, header(15), good]))
  assert.equal(frames.length, 2)
  assert.equal(violation?.kind, 'length')
  assert.deepEqual(split.push(good), { frames: [], violation })
})

test('an unfinished packet is counted as pending until it is whole', () => {
  const packet = writePacket(heartbeat, 1, Buffer.alloc(1_000, 'x'))
  const split = reader()
  split.push(packet.subarray(0, 10))
  assert.equal(split.pendingBytes(), 10)
  split.push(packet.subarray(10, 900))
  assert.equal(split.pendingBytes(), 900)
  const { frames } = split.push(Buffer.concat([packet.subarray(900), packet.subarray(0, 5)]))
  assert.equal(frames.length, 1)
  assert.equal(split.pendingBytes(), 5)
})

test('the largest packet arrives unharmed in pieces of any size', () => {
  const body = Buffer.from(Array.from({ length: 65_520 }, (_, i) => i % 251))
  const packet = writePacket(heartbeat, 1, body)
  for (const size of [1, 2, 3, 1_000, 4_096, 65_535]) {
    const split = reader()
    const frames = []
    for (let at = 0; at < packet.length; at += size)
      frames.push(...split.push(packet.subarray(at, at + size)).frames)
    assert.equal(frames.length, 1, `pieces of ${size}`)
    assert.ok(frames[0]!.body.equals(body), `pieces of ${size}`)
  }
})

test('a body handed out is not touched by what arrives later', () => {
  const first = writePacket(heartbeat, 1, Buffer.alloc(300, 'a'))
  const second = writePacket(heartbeat, 2, Buffer.alloc(300, 'b'))
  const split = reader()
  split.push(first.subarray(0, 200))
  const { body } = split.push(first.subarray(200)).frames[0]!
  split.push(second.subarray(0, 200))
  split.push(second.subarray(200))
  assert.equal(body.toString(), 'a'.repeat(300))
})
