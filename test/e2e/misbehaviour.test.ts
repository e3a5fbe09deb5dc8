/** The table "When a client misbehaves" (spec 1) against real processes, over both transports. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { writePacket } from '../../gateway/codec/frame.js'
import { encodePacket } from '../../gateway/codec/packet.js'
import { CIM } from '../../proto/index.js'
import { type Crowd, createCrowd, type Transport, type User } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { randomNumbers } from '../helpers/random.js'
import { type System, startSystem } from '../helpers/system.js'
import { vectors } from '../vectors/load.js'

const { CIMErrorCode, CIMResCode } = CIM.Def
const unknownCommand = 0x0401
const overPacketLimit = 65_536 + 1

let system: System
let crowd: Crowd
before(async () => {
  const env = {
    AUTH_TIMEOUT_MS: '5000',
    HEARTBEAT_TIMEOUT_MS: '4000',
    RATE_LIMIT_ACKS: '300',
    RATE_LIMIT_CONNECTIONS: '40',
    MAX_SEND_BUFFER_BYTES: '65536',
  }
  system = await startSystem({ env })
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
})

/** One fact, for a device over TCP and for one over WebSocket. */
function overBoth(title: string, prove: (over: Transport) => Promise<void>): void {
  for (const over of ['tcp', 'ws'] as const) test(`${title} (${over})`, () => prove(over))
}

const onlineOver = async (over: Transport): Promise<{ user: User; device: Device }> => {
  const user = await crowd.newUser()
  return { user, device: await crowd.online(user, { over }) }
}

/** Before a timeout of its own could have closed it. */
const closedAtOnce = (device: Device) => device.closed(3_000)

async function refused(device: Device, code: number, seq?: number): Promise<void> {
  const { body } = await device.next('ERROR_NOTIFY')
  assert.equal(body.result_code, code, body.result_string ?? '')
  if (seq !== undefined) assert.equal(body.seq_num, seq)
}

overBoth(
  'before its login even a heartbeat is NOT_AUTHENTICATED, and the connection closed',
  async (over) => {
    const device = await crowd.stranger({ over })
    const seq = device.put('HEARTBEAT', {})
    await refused(device, CIMErrorCode.kCIM_ERR_NOT_AUTHENTICATED, seq)
    await closedAtOnce(device)
  },
)

overBoth('a connection that does not log in is closed in time', async (over) => {
  const device = await crowd.stranger({ over })
  const begun = performance.now()
  await device.closed(8_000)
  assert.ok(performance.now() - begun > 4_500)
})

overBoth('a connection that falls silent is closed, and not one with heartbeats', async (over) => {
  const [silent, alive] = [await onlineOver(over), await onlineOver(over)]
  const beat = setInterval(() => alive.device.put('HEARTBEAT', {}), 500)
  await silent.device.closed(9_000)
  clearInterval(beat)
  await alive.device.settle()
})

test('more connections than RATE_LIMIT_CONNECTIONS are all served, later', async () => {
  const begun = performance.now()
  const served = Array.from({ length: 200 }, async () => {
    const device = await crowd.stranger()
    device.put('HEARTBEAT', {})
    await refused(device, CIMErrorCode.kCIM_ERR_NOT_AUTHENTICATED)
  })
  await Promise.all(served)
  const elapsed_ms = performance.now() - begun
  assert.ok(elapsed_ms > 900, `${elapsed_ms} ms for 200 connections at 40 a second after a burst of 160`)
})

overBoth('each malformed packet of the vectors is answered as it says', async (over) => {
  for (const { name, bytes, expect } of vectors.malformed) {
    const packet = Buffer.from(bytes, 'hex')
    const isLogin = packet.length >= 12 && packet.readUInt16BE(10) === 0x0101
    const device = isLogin ? await crowd.stranger({ over }) : (await onlineOver(over)).device
    device.write(packet)
    if (expect.includes('BAD_REQUEST')) {
      await refused(device, CIMErrorCode.kCIM_ERR_BAD_REQUEST)
      assert.equal(device.isClosed(), false, name)
    }
    if (expect.includes('UNSUPPORTED_VERSION'))
      await refused(device, CIMErrorCode.kCIM_ERR_UNSUPPORTED_VERSION)
    if (expect.includes('close')) await closedAtOnce(device)
    device.cut()
  }
})

overBoth('a length below 16 or above MAX_PACKET_BYTES closes at once', async (over) => {
  for (const length of [15, 0, overPacketLimit, 2 ** 32 - 1]) {
    const { device } = await onlineOver(over)
    const header = writePacket(0x0105, 1, Buffer.alloc(0))
    header.writeUInt32BE(length, 0)
    device.write(header)
    await closedAtOnce(device)
  }
})

overBoth('the checks come in the order of the spec', async (over) => {
  const stranger = await crowd.stranger({ over })
  const oldVersion = writePacket(unknownCommand, 1, Buffer.alloc(0))
  oldVersion.writeUInt16BE(2, 4)
  stranger.write(oldVersion)
  await refused(stranger, CIMErrorCode.kCIM_ERR_UNSUPPORTED_VERSION)
  const another = await crowd.stranger({ over })
  another.write(writePacket(unknownCommand, 1, Buffer.alloc(0)))
  await refused(another, CIMErrorCode.kCIM_ERR_NOT_AUTHENTICATED)
  const { user, device } = await onlineOver(over)
  device.send(user.user_id, 'of no type, in another name', { from_user_id: 1, msg_type: 0 as never })
  await refused(device, CIMErrorCode.kCIM_ERR_BAD_REQUEST)
})

overBoth('the tenth bad packet within a minute closes the connection', async (over) => {
  const { device } = await onlineOver(over)
  const bad = writePacket(0x0301, 5, Buffer.from('0a7f616263', 'hex'))
  for (let count = 1; count <= 9; count++) device.write(bad)
  for (let count = 1; count <= 9; count++) await refused(device, CIMErrorCode.kCIM_ERR_BAD_REQUEST, 5)
  await device.settle()
  device.write(bad)
  await refused(device, CIMErrorCode.kCIM_ERR_BAD_REQUEST, 5)
  await closedAtOnce(device)
})

overBoth('what is too large is acked TOO_LARGE, however often, and the connection stays', async (over) => {
  const { user, device } = await onlineOver(over)
  for (let count = 1; count <= 12; count++) {
    const msg_id = device.send(user.user_id, Buffer.alloc(32_769))
    assert.equal((await device.acked(msg_id)).res_code, CIMResCode.kCIM_RES_CODE_TOO_LARGE)
  }
  await device.settle()
})

overBoth("a packet in another's name is FORBIDDEN and delivered to nobody", async (over) => {
  const { user, device } = await onlineOver(over)
  const { bo, bos } = await crowd.pair()
  device.send(bo.user_id, 'forged', { from_user_id: bo.user_id })
  await refused(device, CIMErrorCode.kCIM_ERR_FORBIDDEN)
  const msg_id = device.send(bo.user_id, 'true')
  await bos.received(msg_id)
  const shown = bos.journal.filter(({ kind }) => kind === 'received')
  assert.deepEqual(
    shown.map((entry) => entry.from_user_id),
    [user.user_id],
  )
})

overBoth('a second login on a connection is a BAD_REQUEST, and the first stays', async (over) => {
  const { user, device } = await onlineOver(over)
  await assert.rejects(device.login(user.user_id, user.token), {
    result_code: CIMErrorCode.kCIM_ERR_BAD_REQUEST,
  })
  await device.settle()
})

overBoth('an unknown command is UNKNOWN_COMMAND, and the connection stays', async (over) => {
  const { device } = await onlineOver(over)
  device.write(writePacket(unknownCommand, 9, Buffer.of(1, 2, 3)))
  await refused(device, CIMErrorCode.kCIM_ERR_UNKNOWN_COMMAND, 9)
  await device.settle()
})

overBoth(
  'above RATE_LIMIT_PACKETS messages are acked RATE_LIMITED, and those within it are stored',
  async (over) => {
    const { user, device } = await onlineOver(over)
    const sent = Array.from({ length: 140 }, () => device.send(user.user_id, 'quick'))
    const codes = await Promise.all(sent.map(async (msg_id) => (await device.acked(msg_id)).res_code))
    const limited = codes.filter((code) => code === CIMResCode.kCIM_RES_CODE_RATE_LIMITED).length
    assert.ok(codes.every((code) => code === 0 || code === CIMResCode.kCIM_RES_CODE_RATE_LIMITED))
    assert.ok(limited > 0 && limited <= 41, `${limited} of 140 limited`)
    await device.settle()
  },
)

overBoth('other packets above the rate are RATE_LIMITED, which is no bad packet', async (over) => {
  const { user, device } = await onlineOver(over)
  const ask = { user_id: user.user_id, session_type: 1, session_id: user.user_id }
  const asked = Array.from({ length: 130 }, () => device.put('GET_LATEST_MSG_ID_REQ', ask))
  await device.settle()
  const limited = device.inbox.filter(({ name }) => name === 'ERROR_NOTIFY').length
  assert.ok(limited > 10 && limited <= 31, `${limited} of ${asked.length} limited`)
  await refused(device, CIMErrorCode.kCIM_ERR_RATE_LIMITED)
  await device.settle()
})

overBoth('above RATE_LIMIT_ACKS the connection is closed', async (over) => {
  const { device } = await onlineOver(over)
  for (let count = 0; count < 1_000; count++) device.put('HEARTBEAT', {})
  await closedAtOnce(device)
})

overBoth('a reader that stops reading is closed and pulls what it missed', async (over) => {
  const { user, device } = await onlineOver(over)
  const ada = await crowd.newUser()
  const adas = await crowd.online(ada)
  device.stream.pause()
  const beat = setInterval(() => device.put('HEARTBEAT', {}), 500)
  const begun = performance.now()
  const isOnline = async () =>
    (await system.api.get(`/v1/users/${user.user_id}/devices`)).body.devices.length === 1
  let sent = 0
  while ((await isOnline()) && performance.now() - begun < 25_000) {
    const batch = Array.from({ length: 20 }, () => adas.send(user.user_id, Buffer.alloc(32_000)))
    for (const msg_id of batch) if ((await adas.acked(msg_id)).res_code === 0) sent++
  }
  clearInterval(beat)
  assert.equal(await isOnline(), false)
  device.stream.resume()
  await closedAtOnce(device)
  const back = await crowd.online(user, { over })
  const page = { user_id: user.user_id, session_type: 1, session_id: ada.user_id }
  const { msg_list } = await back.ask(
    'MSG_LIST_REQ',
    { ...page, end_msg_id: 0, limit_count: 1 },
    'MSG_LIST_RSP',
  )
  assert.equal(msg_list[0]?.server_msg_id, sent)
})

test('a text message closes a WebSocket with 1003, a part of a packet with 1007', async () => {
  const [chatty, hasty] = [await crowd.stranger({ over: 'ws' }), await crowd.stranger({ over: 'ws' })]
  const codes = [chatty, hasty].map(({ ws }) => new Promise((resolve) => ws!.once('close', resolve)))
  chatty.ws!.send('hello')
  hasty.ws!.send(encodePacket('HEARTBEAT', 1, {}).subarray(0, 10))
  assert.deepEqual(await Promise.all(codes), [1003, 1007])
})

test('a message split at every byte, and many packets in one piece, arrive as they were sent', async () => {
  const { bo, adas, bos } = await crowd.pair()
  const packet = (msg_id: string) =>
    encodePacket('MSG_DATA', 7, {
      from_user_id: bo.user_id - 1,
      to_session_id: bo.user_id,
      msg_id,
      create_time: 1,
      msg_type: 1,
      msg_data: Buffer.from('☕'),
    })
  const { length } = packet('split-000')
  for (let at = 1; at < length; at++) {
    const msg_id = `split-${String(at).padStart(3, '0')}`
    const bytes = packet(msg_id)
    adas.write(bytes.subarray(0, at))
    // a heartbeat of another connection in between: the first part has surely been read by itself
    await bos.settle()
    adas.write(bytes.subarray(at))
    assert.equal((await adas.acked(msg_id)).res_code, 0)
  }
  const together = Array.from({ length: 50 }, (_, at) => `together-${at}`)
  adas.write(Buffer.concat(together.map(packet)))
  for (const msg_id of together) await adas.acked(msg_id)
})

test('random bytes and damaged packets never hurt who is beside them', async () => {
  const next = randomNumbers(41)
  const { ada, bo, adas, bos } = await crowd.pair()
  for (let round = 0; round < 60; round++) {
    const vector = vectors.packets[next(vectors.packets.length)]!
    const bytes = Buffer.from(vector.packet, 'hex')
    const device =
      next(2) === 0 ? await crowd.stranger({ over: 'tcp' }) : await crowd.stranger({ over: 'ws' })
    for (let changes = 0; changes < 4; changes++) bytes[next(bytes.length)] = next(256)
    device.write(next(3) === 0 ? Buffer.from(Array.from({ length: 200 }, () => next(256))) : bytes)
    device.stream.end()
  }
  assert.equal(await adas.say(bo.user_id, 'still there?'), 1)
  assert.equal(await bos.say(ada.user_id, 'yes'), 2)
})
