import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  countOf,
  fieldsOf,
  headerBytes,
  loginPacket,
  messageStamper,
  packetReader,
  receiptStamper,
} from '../../bench/wire.js'
import { commands } from '../../schemas/packets.js'

const { IMMsgData, IMMsgDataAck } = {
  IMMsgData: commands.MSG_DATA.type,
  IMMsgDataAck: commands.MSG_DATA_ACK.type,
}

test('the generator writes the packets of the protocol', () => {
  const login = commands.AUTH_TOKEN_REQ.type.decode(
    loginPacket({ id: 500_001, token: 't' }).subarray(headerBytes),
  )
  assert.equal(login.user_id, 500_001)
  assert.equal(login.user_token, 't')

  const stamp = messageStamper(500_001, 500_002, 'abcdef01', Buffer.from('hello'))
  stamp(1)
  const message = IMMsgData.decode(stamp(123_456).subarray(headerBytes))
  assert.equal(message.msg_id, 'abcdef01-0000-4000-8000-000000123456')
  assert.deepEqual([message.from_user_id, message.to_session_id], [500_001, 500_002])
  assert.equal(Buffer.from(message.msg_data).toString(), 'hello')

  const receipt = IMMsgDataAck.decode(receiptStamper(500_001, 500_002, 'abcdef01')(7).subarray(headerBytes))
  assert.equal(receipt.msg_id, 'abcdef01-0000-4000-8000-000000000007')
  assert.equal(receipt.res_code, 0)
})

test('packets are found in a stream cut anywhere', () => {
  const stamp = messageStamper(1, 2, 'abcdef01', Buffer.alloc(100))
  const stream = Buffer.concat([stamp(5), stamp(6), stamp(7)])
  for (let size = 1; size < stream.length; size++) {
    const counts: number[] = []
    const read = packetReader((_id, body) => counts.push(countOf(fieldsOf(body).get(3) as Buffer)))
    for (let at = 0; at < stream.length; at += size) read(stream.subarray(at, at + size))
    assert.deepEqual(counts, [5, 6, 7])
  }
})
