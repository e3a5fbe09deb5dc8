/** The client's own codec against packets of another protobuf runtime, and against the gateway's codec. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CodecError, decode, encode } from '../../client/codec.js'
import { createPacketReader, writePacket } from '../../client/frame.js'
import { type Messages, messages } from '../../client/gen/protocol.js'
import { commandName } from '../../client/wire.js'
import { decodePacket, encodeBody } from '../../gateway/codec/packet.js'
import { commands } from '../../schemas/packets.js'
import { randomNumbers } from '../helpers/random.js'
import { bodyOf, commandOf, vectors } from '../vectors/load.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

for (const vector of vectors.packets)
  test(`${vector.name}: written as the other runtime writes it`, () => {
    const name = commandName(Number(vector.command_id))!
    assert.equal(name, commandOf(vector))
    assert.equal(hex(writePacket(name, vector.seq_num, bodyOf(vector) as never)), vector.packet)
  })

for (const vector of vectors.packets)
  test(`${vector.name}: read, and written again, is the same`, () => {
    const [packet] = createPacketReader().push(Buffer.from(vector.packet, 'hex'))
    assert.equal(packet?.seq, vector.seq_num)
    assert.equal(hex(writePacket(packet!.name, packet!.seq, packet!.body as never)), vector.packet)
  })

test('packets cut anywhere come out whole, in order', () => {
  const stream = Uint8Array.from(Buffer.from(vectors.packets.map(({ packet }) => packet).join(''), 'hex'))
  const whole = createPacketReader().push(stream)
  assert.equal(whole.length, vectors.packets.length)
  for (const size of [1, 2, 15, 16, 17, 100]) {
    const reader = createPacketReader()
    const packets = []
    for (let at = 0; at < stream.length; at += size)
      packets.push(...reader.push(stream.subarray(at, at + size)))
    assert.deepEqual(packets, whole)
  }
})

/** A body with random values in every field, or in the required ones only. */
function randomBody(message: string, random: () => number, isFull: boolean): object {
  const values: Record<string, unknown> = {}
  const one = (type: string): unknown => {
    const size = random() % 40
    if (type === 't') return random() % 2 === 0
    if (type === 's') return 'ab☕é'.repeat(size)
    if (type === 'b') return Buffer.from(Array.from({ length: size * 10 }, () => random() % 256))
    // Enums of the vocabulary all have a 1.
    if (type === 'u') return 1
    return randomBody(type, random, isFull)
  }
  for (const field of messages[message as keyof Messages].split(' ')) {
    const [, name, label, type] = /^(\w+)=\d+([!?*])(\w+)$/.exec(field) ?? []
    if (name === undefined) continue
    if (label === '*') values[name] = isFull ? [one(type!), one(type!)] : []
    else if (label === '!' || isFull) values[name] = one(type!)
  }
  return values
}

test('the gateway reads what it writes, and it reads what the gateway writes, of every command', () => {
  const next = randomNumbers(7)
  const random = () => next(2 ** 31)
  for (const [name, { message }] of Object.entries(commands))
    for (const isFull of [false, true]) {
      const short = message.slice(message.lastIndexOf('.') + 1) as keyof Messages
      const body = randomBody(short, random, isFull) as never
      const written = encode(short, body)
      const decoded = decodePacket(name as 'MSG_DATA', Buffer.from(written))
      assert.ok(
        decoded.ok || /limit|characters|bytes|items/.test(decoded.reason),
        `${name}: ${JSON.stringify(decoded)}`,
      )
      assert.equal(hex(encodeBody(name as 'MSG_DATA', body)), hex(written), name)
      assert.deepEqual(decode(short, written), decode(short, encode(short, decode(short, written) as never)))
    }
})

test('numbers are exact up to the largest that the wire knows', () => {
  for (const user_id of [0, 127, 128, 2 ** 31, 2 ** 32, 2 ** 48 + 1, Number.MAX_SAFE_INTEGER]) {
    const bytes = encode('CIMGroupListReq', { user_id })
    assert.equal(decode('CIMGroupListReq', bytes).user_id, user_id)
  }
})

const unwritable: [string, () => unknown][] = [
  ['a number of 2^53', () => encode('CIMGroupListReq', { user_id: 2 ** 53 })],
  ['a negative number', () => encode('CIMGroupListReq', { user_id: -1 })],
  ['a fraction', () => encode('CIMGroupListReq', { user_id: 1.5 })],
  ['no required field', () => encode('CIMGroupListReq', {} as never)],
  [
    'text for bytes',
    () =>
      encode('CIMReportReq', {
        payload: 'x',
        user_id: 1,
        report_id: '',
        report_type: '',
        create_time: 1,
      } as never),
  ],
]
for (const [what, write] of unwritable)
  test(`${what} is not written`, () => {
    assert.throws(write, CodecError)
  })

const unreadable: [string, string][] = [
  ['nothing, where a field is required', ''],
  ['a number that is cut off', '0880'],
  ['a number without an end', `08${'80'.repeat(11)}`],
  ['a number of 2^53', '088080808080808010'],
  ['a length beyond the end', '0801120a61'],
  ['a string that is not UTF-8', '08011202c328'],
  ['a group, which the protocol has not', '08010b0c'],
]
for (const [what, bytes] of unreadable)
  test(`${what} is not read`, () => {
    assert.throws(() => decode('CIMUserInfo', Buffer.from(bytes, 'hex')), CodecError)
  })

test('fields that it does not know are passed over', () => {
  const known = hex(encode('CIMUserInfo', { user_id: 7, nick_name: 'Ada' }))
  // varint 90, eight bytes 91, a length 92, four bytes 93
  const more = `${known}d00501d9050102030405060708e2050161ed0501020304`
  assert.deepEqual(decode('CIMUserInfo', Buffer.from(more, 'hex')), { user_id: 7, nick_name: 'Ada' })
})

test('what is not the protocol ends the reading', () => {
  assert.throws(() => createPacketReader().push(Buffer.from('HTTP/1.1 400 Bad Request\r\n')))
  assert.throws(() => createPacketReader().push(Buffer.alloc(16)))
})

test('a command that is newer than this library is passed over', () => {
  const [heartbeat] = vectors.packets.filter(({ name }) => name.startsWith('heartbeat'))
  const unknown = Buffer.from(heartbeat!.packet, 'hex')
  unknown.writeUInt16BE(0x0fff, 10)
  const packets = createPacketReader().push(Buffer.concat([unknown, Buffer.from(heartbeat!.packet, 'hex')]))
  assert.deepEqual(
    packets.map(({ name }) => name),
    ['HEARTBEAT'],
  )
})
