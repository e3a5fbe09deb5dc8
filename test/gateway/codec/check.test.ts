import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkBody } from '../../../gateway/codec/check.js'
import { messageLimits } from '../../../schemas/fields.js'
import type { MessageName } from '../../../schemas/packets.js'
import { delimited, number, tagged, varint } from '../../helpers/wire.js'

const message: MessageName = 'CIM.Message.IMMsgData'
/** A whole IMMsgData; a later field of the same number replaces the one in here. */
const base = Buffer.concat([
  number(1, 1008),
  number(2, 1009),
  delimited(3, 'm1'),
  number(4, 1),
  number(5, 1),
  delimited(6, 'hello'),
])
const withField = (...fields: Buffer[]): string | undefined =>
  checkBody(message, Buffer.concat([base, ...fields]))

const login: MessageName = 'CIM.Login.CIMAuthTokenReq'
const loginWith = (...fields: Buffer[]): string | undefined =>
  checkBody(
    login,
    Buffer.concat([number(1, 1), delimited(2, 'a'), delimited(3, 't'), number(4, 2), ...fields]),
  )

test('a whole message passes', () => {
  assert.equal(withField(), undefined)
  assert.equal(loginWith(), undefined)
})

test('each required field that is missing is named', () => {
  const fields = [number(1, 1), delimited(2, 'a'), delimited(3, 't'), number(4, 2)]
  const names = ['user_id', 'nick_name', 'user_token', 'client_type']
  for (const [index, name] of names.entries())
    assert.equal(checkBody(login, Buffer.concat(fields.toSpliced(index, 1))), `${name} is missing`)
})

test('a u64 passes below 2^53 and no further', () => {
  assert.equal(withField(number(2, 2n ** 53n - 1n)), undefined)
  for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n])
    assert.equal(withField(number(2, value)), 'to_session_id is not below 2^53')
  assert.equal(withField(number(23, 2n ** 53n)), 'mention_user_id is not below 2^53')
})

test('a u32 passes below 2^32 and no further', () => {
  const request: MessageName = 'CIM.List.CIMGetMsgListReq'
  const asked = (limit: bigint) =>
    checkBody(
      request,
      Buffer.concat([number(1, 1), number(2, 1), number(3, 2), number(4, 0), number(6, limit)]),
    )
  assert.equal(asked(2n ** 32n - 1n), undefined)
  assert.equal(asked(2n ** 32n), 'limit_count is not below 2^32')
})

test('an enum value that is not known is refused, in an optional field too', () => {
  for (const value of [0, 10, 99, 101, 1000, 2n ** 32n + 1n, -1n])
    assert.equal(withField(number(5, value)), 'msg_type is not a known value', String(value))
  for (const value of [0, 3, 4])
    assert.equal(withField(number(20, value)), 'session_type is not a known value')
  assert.equal(withField(number(25, 5)), 'msg_feature is not a known value')
  assert.equal(withField(number(20, 2), number(25, 4), number(5, 100)), undefined)
})

test('a known field of another wire type is refused', () => {
  assert.equal(withField(delimited(1, 'x')), 'from_user_id has the wrong wire type')
  assert.equal(withField(number(3, 1)), 'msg_id has the wrong wire type')
  assert.equal(withField(tagged(1, 1, Buffer.alloc(8))), 'from_user_id has the wrong wire type')
  assert.equal(withField(tagged(1, 5, Buffer.alloc(4))), 'from_user_id has the wrong wire type')
  assert.equal(withField(tagged(3, 3)), 'msg_id has the wrong wire type')
})

test('fields not known are skipped, whatever they hold', () => {
  const unknown = [
    number(1_000, 2n ** 64n - 1n),
    delimited(19, Buffer.of(0xff, 0)),
    tagged(19, 1, Buffer.alloc(8)),
    tagged(2 ** 20, 5, Buffer.alloc(4)),
  ]
  assert.equal(withField(...unknown), undefined)
})

test('groups, wire types 6 and 7, and field number 0 are not protobuf', () => {
  for (const wireType of [3, 4, 6, 7])
    assert.equal(withField(tagged(19, wireType)), 'the body is not protobuf', String(wireType))
  for (const wireType of [0, 1, 2, 5])
    assert.equal(
      withField(tagged(0, wireType, Buffer.alloc(8))),
      'the body is not protobuf',
      String(wireType),
    )
})

test('what is cut off is refused, at whatever byte', () => {
  for (let length = 0; length < base.length; length++)
    assert.ok(checkBody(message, base.subarray(0, length)), `cut at ${length}`)
  assert.equal(withField(tagged(19, 1, Buffer.alloc(7))), 'the body is not protobuf')
  assert.equal(withField(tagged(19, 5, Buffer.alloc(3))), 'the body is not protobuf')
  assert.equal(withField(tagged(19, 2, varint(1))), 'the body is not protobuf')
})

test('a varint has at most ten bytes, a tag or a length five', () => {
  const tenBytes = varint(1, 10)
  assert.equal(withField(tagged(2, 0, tenBytes)), undefined)
  assert.equal(withField(tagged(2, 0, varint(1, 11))), 'to_session_id is cut off')
  assert.equal(withField(tagged(19, 0, varint(1, 11))), 'the body is not protobuf')
  assert.equal(withField(varint(19 << 3, 6), varint(1)), 'the body is not protobuf')
  assert.equal(withField(tagged(24, 2, varint(0, 6))), 'attach is cut off')
})

test('a string that is not UTF-8 is refused', () => {
  const broken = ['ff', 'c080', 'eda080', 'f8888080', 'f4908080', '61c3', '80'] // overlong, surrogate, cut off …
  for (const hex of broken)
    assert.equal(withField(delimited(24, Buffer.from(hex, 'hex'))), 'attach is not UTF-8', hex)
  assert.equal(withField(delimited(24, 'ascii, é, 中文, हिन्दी, العربية, 👩‍👩‍👧‍👦, \u{10ffff}')), undefined)
})

test('U+0000 in a string is refused, in bytes it is not', () => {
  assert.equal(withField(delimited(24, 'a\0b')), 'attach holds U+0000')
  assert.equal(withField(delimited(24, '\0')), 'attach holds U+0000')
  assert.equal(withField(delimited(6, Buffer.of(0, 0xff, 0))), undefined)
})

test('a repeated number may come one by one, packed, or both', () => {
  const packed = delimited(23, Buffer.concat([varint(7), varint(300), varint(2n ** 53n - 1n)]))
  assert.equal(withField(number(23, 7), packed, delimited(23, '')), undefined)
  assert.equal(withField(delimited(23, Buffer.of(7, 0x80))), 'mention_user_id is cut off')
  assert.equal(withField(delimited(23, varint(2n ** 53n))), 'mention_user_id is not below 2^53')
  assert.equal(withField(delimited(2, varint(7))), 'to_session_id has the wrong wire type')
})

test('the items of a repeated field are counted over all its pieces', () => {
  const packed = (items: number) => delimited(23, Buffer.alloc(items, 7))
  assert.equal(withField(packed(200)), undefined)
  assert.equal(withField(packed(199), number(23, 7), packed(0)), undefined)
  assert.equal(
    withField(packed(199), number(23, 7), number(23, 7)),
    'mention_user_id has more than 200 items',
  )
  assert.equal(withField(packed(201)), 'mention_user_id has more than 200 items')
})

test('messages inside a message are checked, and their fields named with the path', () => {
  const request: MessageName = 'CIM.Group.CIMGroupInfoReq'
  const asked = (...versions: Buffer[]) =>
    checkBody(request, Buffer.concat([number(1, 1), ...versions.map((version) => delimited(2, version))]))
  const version = Buffer.concat([number(1, 2 ** 48), number(2, 1)])
  assert.equal(asked(version, version), undefined)
  assert.equal(asked(version, number(1, 1)), 'group_version_list.group_version is missing')
  assert.equal(asked(tagged(1, 0)), 'group_version_list.group_id is cut off')
  assert.equal(asked(Buffer.of(0xff)), 'group_version_list is not protobuf')
  assert.equal(
    checkBody(request, Buffer.concat([number(1, 1), tagged(2, 2, varint(9))])),
    'group_version_list is cut off',
  )
})

test('msg_data may be of any size here: TOO_LARGE is another answer', () => {
  assert.equal(withField(delimited(6, Buffer.alloc(60_000))), undefined)
})

test('every limit is kept to the byte, the character or the item', () => {
  const limited = [
    [loginWith, 2, 'nick_name', 32, 'characters'],
    [loginWith, 3, 'user_token', 256, 'bytes'],
    [loginWith, 5, 'client_version', 64, 'bytes'],
    [loginWith, 20, 'device_id', 64, 'bytes'],
    [withField, 3, 'msg_id', 64, 'characters'],
    [withField, 22, 'from_nick_name', 32, 'characters'],
    [withField, 24, 'attach', 1_024, 'bytes'],
  ] as const
  for (const [checkWith, field, name, max, unit] of limited) {
    const tooLong = `${name} is longer than ${max} ${unit}`
    assert.equal(checkWith(delimited(field, 'x'.repeat(max))), undefined, name)
    assert.equal(checkWith(delimited(field, 'x'.repeat(max + 1))), tooLong)
    if (unit === 'characters') {
      assert.equal(checkWith(delimited(field, '👋'.repeat(max))), undefined, name)
      assert.equal(checkWith(delimited(field, '👋'.repeat(max - 1) + 'é'.repeat(2))), tooLong)
    } else {
      assert.equal(checkWith(delimited(field, 'é'.repeat(max / 2))), undefined, name)
      assert.equal(checkWith(delimited(field, `${'é'.repeat(max / 2)}x`)), tooLong)
    }
  }
})

test('a msg_id is never empty', () => {
  assert.equal(withField(delimited(3, '')), 'msg_id is empty')
})

test('at most 20 messages are asked for by id, and 500 members named', () => {
  const byId = (count: number, id = 'm') =>
    checkBody(
      'CIM.Message.IMGetMsgByIdReq',
      Buffer.concat([number(1, 1), number(2, 1), number(3, 2), ...Array(count).fill(delimited(4, id))]),
    )
  assert.equal(byId(20), undefined)
  assert.equal(byId(21), 'msg_id_list has more than 20 items')
  assert.equal(byId(1, ''), 'msg_id_list is empty')
  const members = (count: number) =>
    checkBody(
      'CIM.Group.CIMGroupCreateReq',
      Buffer.concat([number(1, 1), delimited(3, Buffer.alloc(count, 9))]),
    )
  assert.equal(members(500), undefined)
  assert.equal(members(501), 'member_id_list has more than 500 items')
})

test('a report has at most 32,768 bytes of payload', () => {
  const report = (size: number) =>
    checkBody(
      'CIM.Message.CIMReportReq',
      Buffer.concat([
        number(1, 1),
        delimited(2, 'r1'),
        delimited(3, 'gps'),
        number(4, 1),
        delimited(5, Buffer.alloc(size)),
      ]),
    )
  assert.equal(report(32_768), undefined)
  assert.equal(report(32_769), 'payload is longer than 32768 bytes')
})

test('limits are only set for messages that have such fields', async () => {
  const { messageFields } = await import('../../../proto/gen/descriptor.js')
  for (const [name, fields] of Object.entries(messageLimits)) {
    const known = messageFields[name as MessageName].map((row) => row[1] as string)
    for (const field of Object.keys(fields)) assert.ok(known.includes(field), `${name}.${field}`)
  }
})
