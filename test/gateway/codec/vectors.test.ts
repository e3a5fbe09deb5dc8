import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createFrameReader, type Frame, type Violation } from '../../../gateway/codec/frame.js'
import { decodePacket, encodePacket } from '../../../gateway/codec/packet.js'
import { commandName, commands } from '../../../schemas/packets.js'
import { randomNumbers } from '../../helpers/random.js'
import {
  bodyOf,
  commandOf,
  contractFile,
  contractIsHere,
  ownFile,
  toFields,
  vectors,
} from '../../vectors/load.js'

const maxPacketBytes = 65_536
const packetOf = (vector: { packet: string }): Buffer => Buffer.from(vector.packet, 'hex')

/** What a fresh reader makes of the pieces: its packets as hex of command, seq and body, and its violation. */
function read(pieces: readonly Buffer[]): { packets: string[]; violation?: Violation | undefined } {
  const reader = createFrameReader({ maxPacketBytes })
  const frames: Frame[] = []
  let violation: Violation | undefined
  for (const piece of pieces) {
    const received = reader.push(piece)
    frames.push(...received.frames)
    violation = received.violation
  }
  if (!violation) assert.equal(reader.pendingBytes(), 0)
  return { packets: frames.map((f) => `${f.commandId} ${f.seq} ${f.body.toString('hex')}`), violation }
}

const whole = (packet: Buffer): string =>
  `${packet.readUInt16BE(10)} ${packet.readUInt16BE(12)} ${packet.subarray(16).toString('hex')}`

test('the vectors are those of the contract', {
  skip: contractIsHere ? false : 'no contract beside the checkout',
}, () => {
  assert.equal(readFileSync(ownFile, 'utf8'), readFileSync(contractFile, 'utf8'))
})

for (const vector of vectors.packets) {
  test(`decodes as another runtime meant it: ${vector.name}`, () => {
    const [frame] = createFrameReader({ maxPacketBytes }).push(packetOf(vector)).frames
    assert.equal(frame?.commandId, Number(vector.command_id))
    assert.equal(frame?.seq, vector.seq_num)
    const { message } = commands[commandOf(vector)]
    assert.equal(message.split('.').at(-1), vector.message)
    const decoded = decodePacket(commandOf(vector), frame!.body)
    assert.ok(decoded.ok, JSON.stringify(decoded))
    assert.deepEqual(toFields(message, decoded.body), vector.fields)
  })

  test(`encodes to the bytes of another runtime: ${vector.name}`, () => {
    const packet = encodePacket(commandOf(vector), vector.seq_num, bodyOf(vector) as never)
    assert.equal(packet.toString('hex'), vector.packet)
  })

  test(`arrives whole when cut at any byte: ${vector.name}`, () => {
    const packet = packetOf(vector)
    for (let at = 0; at <= packet.length; at++)
      assert.deepEqual(
        read([packet.subarray(0, at), packet.subarray(at)]).packets,
        [whole(packet)],
        `cut at ${at}`,
      )
  })
}

test('all packets in one chunk, or byte by byte, are the same packets', () => {
  const packets = vectors.packets.map(packetOf)
  const stream = Buffer.concat(packets)
  assert.deepEqual(read([stream]).packets, packets.map(whole))
  assert.deepEqual(read(Array.from(stream, (byte) => Buffer.of(byte))).packets, packets.map(whole))
})

test('all packets cut at random places are the same packets', () => {
  const packets = vectors.packets.map(packetOf)
  const stream = Buffer.concat(packets)
  const next = randomNumbers(1)
  for (let round = 0; round < 200; round++) {
    const pieces: Buffer[] = []
    for (let at = 0; at < stream.length; ) {
      const size = 1 + next(round % 2 ? 40 : 700)
      pieces.push(stream.subarray(at, at + size))
      at += size
    }
    assert.deepEqual(read(pieces).packets, packets.map(whole))
  }
})

for (const vector of vectors.malformed) {
  test(`is answered as the contract says: ${vector.name}`, () => {
    const { frames, violation } = createFrameReader({ maxPacketBytes }).push(Buffer.from(vector.bytes, 'hex'))
    if (vector.expect.startsWith('close')) return assert.equal(violation?.kind, 'length')
    if (vector.expect.includes('UNSUPPORTED_VERSION')) return assert.equal(violation?.kind, 'version')
    const decoded = decodePacket(commandName(frames[0]!.commandId)!, frames[0]!.body)
    assert.equal(decoded.ok, false)
    assert.match(vector.expect, /BAD_REQUEST/)
  })
}
