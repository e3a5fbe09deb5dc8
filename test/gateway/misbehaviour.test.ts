/** The table "When a client misbehaves" (spec 1-wire), row by row. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { writePacket } from '../../gateway/codec/frame.js'
import { encodePacket } from '../../gateway/codec/packet.js'
import { CIM } from '../../proto/index.js'
import { topics } from '../../schemas/topics.js'
import { connect, connectWs, type TestClient } from '../helpers/client.js'
import { eventually, startTestGate, type TestGate, targetOf } from '../helpers/gate.js'

const { CIMErrorCode, CIMResCode } = CIM.Def
const groupId = 2 ** 48

let gate: TestGate
before(async () => {
  gate = await startTestGate()
})
after(() => gate.stop())

const online = async (user_id = 1001, on = gate): Promise<TestClient> => {
  const client = await connect(on.tcp)
  assert.equal(await client.login(user_id), 0)
  return client
}

const message = (changes: Partial<CIM.Message.IIMMsgData> = {}) => ({
  from_user_id: 1001,
  to_session_id: 1002,
  msg_id: 'm1',
  create_time: 1,
  msg_type: CIM.Def.CIMMsgType.kCIM_MSG_TYPE_TEXT,
  msg_data: Buffer.from('hello'),
  ...changes,
})

const refused = async (
  client: TestClient,
  code: number,
): Promise<{ command_id: number; seq_num: number }> => {
  const { seq, body } = await client.next('ERROR_NOTIFY')
  assert.equal(body.result_code, code, body.result_string ?? '')
  assert.equal(seq, body.seq_num)
  return body
}

const stays = async (client: TestClient): Promise<void> => {
  client.send('HEARTBEAT', 999, {})
  assert.equal((await client.next('HEARTBEAT')).seq, 999)
  client.end()
}

test('a command before the login, a heartbeat or an unknown one too, is refused and the connection closed', async () => {
  for (const [command, body] of [
    [0x0105, ''],
    [0x0201, '08e907'],
    [0x0401, 'ff'],
  ] as const) {
    const client = await connect(gate.tcp)
    client.write(writePacket(command, 7, Buffer.from(body, 'hex')))
    const { command_id, seq_num } = await refused(client, CIMErrorCode.kCIM_ERR_NOT_AUTHENTICATED)
    assert.deepEqual([command_id, seq_num], [command, 7])
    await client.closed()
  }
})

test('a connection without a login is closed after AUTH_TIMEOUT_MS, a silent one after HEARTBEAT_TIMEOUT_MS', async () => {
  const impatient = await startTestGate({ AUTH_TIMEOUT_MS: '200', HEARTBEAT_TIMEOUT_MS: '1000' })
  const [stranger, silent, alive] = [
    await connect(impatient.tcp),
    await online(1001, impatient),
    await online(1002, impatient),
  ]
  const beat = setInterval(() => alive.send('HEARTBEAT', 1, {}), 100)
  await stranger.closed()
  assert.equal(silent.isClosed(), false)
  await silent.closed()
  clearInterval(beat)
  assert.equal(alive.isClosed(), false)
  alive.end()
  await impatient.stop()
})

test('a body that does not parse is a BAD_REQUEST with a reason, and the connection stays', async () => {
  const client = await online()
  client.write(writePacket(0x0301, 4, Buffer.from('0a7f616263', 'hex')))
  const { seq, body } = await client.next('ERROR_NOTIFY')
  assert.deepEqual([seq, body.result_code], [4, CIMErrorCode.kCIM_ERR_BAD_REQUEST])
  assert.notEqual(body.result_string ?? '', '')
  await stays(client)
})

test('each malformed packet of the vectors is answered as they say', async () => {
  const path = new URL('../../../test/vectors/vectors.json', import.meta.url)
  const { malformed } = JSON.parse(readFileSync(path, 'utf8')) as {
    malformed: { name: string; bytes: string; expect: string }[]
  }
  for (const { name, bytes, expect } of malformed) {
    const isLogin = bytes.slice(20, 24) === '0101'
    const client = isLogin ? await connect(gate.tcp) : await online()
    client.write(Buffer.from(bytes, 'hex'))
    if (expect.includes('BAD_REQUEST')) {
      await refused(client, CIMErrorCode.kCIM_ERR_BAD_REQUEST)
      assert.equal(client.isClosed(), false, name)
    }
    if (expect.includes('UNSUPPORTED_VERSION'))
      await refused(client, CIMErrorCode.kCIM_ERR_UNSUPPORTED_VERSION)
    if (expect.includes('close')) await client.closed()
    client.end()
  }
})

test('ten bad packets within a minute close the connection; what is only too large is not counted', async () => {
  const client = await online()
  for (let seq = 1; seq <= 12; seq++)
    client.send('MSG_DATA', seq, message({ msg_data: Buffer.alloc(32_769) }))
  for (let seq = 1; seq <= 12; seq++)
    assert.equal((await client.next('MSG_DATA_ACK')).body.res_code, CIMResCode.kCIM_RES_CODE_TOO_LARGE)
  for (let seq = 1; seq <= 10; seq++) client.send('MSG_DATA', seq, message({ msg_type: 1_000 as never }))
  for (let seq = 1; seq <= 10; seq++) await refused(client, CIMErrorCode.kCIM_ERR_BAD_REQUEST)
  await client.closed()
})

const refusals: [string, Partial<CIM.Message.IIMMsgData>, number][] = [
  ['above MAX_MESSAGE_BYTES', { msg_data: Buffer.alloc(32_769) }, CIMResCode.kCIM_RES_CODE_TOO_LARGE],
  ['of a type that only the server sends', { msg_type: 6 }, CIMResCode.kCIM_RES_CODE_ERROR],
  ['of a robot', { msg_type: 9 }, CIMResCode.kCIM_RES_CODE_ERROR],
]
for (const [what, changes, code] of refusals)
  test(`a message ${what} is acked with ${CIMResCode[code]}`, async () => {
    const client = await online()
    client.send('MSG_DATA', 5, message(changes))
    const { seq, body } = await client.next('MSG_DATA_ACK')
    assert.deepEqual([seq, body.res_code, body.msg_id, body.from_user_id], [5, code, 'm1', 1001])
    assert.equal(body.to_session_id, 1002)
    await stays(client)
  })

const faults: [string, Partial<CIM.Message.IIMMsgData>][] = [
  ['type 0', { msg_type: 0 as never }],
  ['type 1000', { msg_type: 1_000 as never }],
  ['a reserved session type', { session_type: 3 as never }],
  ['a session type that disagrees with the id', { session_type: 2 }],
  ['a single chat with a group id', { session_type: 1, to_session_id: groupId }],
  ['receiver 0', { to_session_id: 0 }],
  ['an empty msg_id', { msg_id: '' }],
]
for (const [what, changes] of faults)
  test(`a message with ${what} is a BAD_REQUEST`, async () => {
    const client = await online()
    client.send('MSG_DATA', 5, message(changes))
    await refused(client, CIMErrorCode.kCIM_ERR_BAD_REQUEST)
    await stays(client)
  })

test('a message to a group goes on its way, with a session type and without', async () => {
  const client = await online()
  client.send('MSG_DATA', 5, message({ to_session_id: groupId, msg_id: 'by id' }))
  client.send('MSG_DATA', 6, message({ to_session_id: groupId, msg_id: 'by type', session_type: 2 }))
  await eventually(() => {
    const records = gate.bus.recordsOf('im.message.submitted').filter(({ key }) => key === `g:${groupId}`)
    return records.length === 2
  }, 'both are published')
})

test("a packet in another user's name is FORBIDDEN and goes nowhere", async () => {
  const client = await online(4_001)
  client.send('MSG_DATA', 1, message({ from_user_id: 4_002, msg_id: 'forged' }))
  client.send('MSG_LIST_REQ', 2, {
    user_id: 4_002,
    session_type: 1,
    session_id: 1,
    end_msg_id: 0,
    limit_count: 0,
  })
  client.send('LOGOUT_REQ', 3, { user_id: 4_002, client_type: 2 })
  client.send('MSG_READ_ACK', 4, { user_id: 4_002, session_id: 1, msg_id: 'm', session_type: 1 })
  client.send('RECENT_CONTACT_SESSION_REQ', 5, { user_id: 4_002, latest_update_time: 0 })
  client.send('SYNC_REQ', 6, { user_id: 4_002, cursor: 0, limit_count: 0 })
  client.send('GET_RECEIPTS_REQ', 7, { user_id: 4_002, msg_id: 'm' })
  for (let seq = 1; seq <= 7; seq++)
    assert.equal((await refused(client, CIMErrorCode.kCIM_ERR_FORBIDDEN)).seq_num, seq)
  assert.equal(
    gate.bus.recordsOf('im.message.submitted').some(({ value }) => value.includes('forged')),
    false,
  )
  await stays(client)
})

test('a second login on a connection is a BAD_REQUEST', async () => {
  const client = await online()
  client.send('AUTH_TOKEN_REQ', 2, { user_id: 1001, nick_name: 'a', user_token: 'good', client_type: 2 })
  await refused(client, CIMErrorCode.kCIM_ERR_BAD_REQUEST)
  await stays(client)
})

test('a refused login is answered and then closed', async () => {
  const client = await connect(gate.tcp)
  assert.equal(await client.login(1001, { token: 'wrong' }), CIMErrorCode.kCIM_ERR_LOGIN_INVALID_USER_TOKEN)
  await client.closed()
})

test("an unknown command, the server's own and those not served yet are UNKNOWN_COMMAND", async () => {
  const client = await online()
  client.write(writePacket(0x0401, 3, Buffer.alloc(0)))
  client.send('KICK_NOTIFY', 4, { user_id: 1, client_type: 1, reason: 1 })
  client.write(writePacket(0x0321, 5, Buffer.alloc(0)))
  for (const seq of [3, 4, 5])
    assert.equal((await refused(client, CIMErrorCode.kCIM_ERR_UNKNOWN_COMMAND)).seq_num, seq)
  await stays(client)
})

test('above its rate a message is acked RATE_LIMITED, another packet refused, and heartbeats are still served', async () => {
  const strict = await startTestGate({ RATE_LIMIT_PACKETS: '5' })
  const client = await online(1001, strict)
  for (let seq = 1; seq <= 60; seq++) client.send('MSG_DATA', seq, message({ msg_type: 9 }))
  const codes: number[] = []
  for (let seq = 1; seq <= 60; seq++) codes.push((await client.next('MSG_DATA_ACK')).body.res_code)
  assert.ok(
    codes.slice(0, 9).every((code) => code === CIMResCode.kCIM_RES_CODE_ERROR),
    'the burst is served',
  )
  const limited = codes.filter((code) => code === CIMResCode.kCIM_RES_CODE_RATE_LIMITED).length
  assert.ok(limited >= 25, `${limited} of 60 limited`)

  for (let seq = 1; seq <= 30; seq++) client.send('LOGOUT_REQ', seq, { user_id: 4_002, client_type: 2 })
  const refusals: number[] = []
  for (let seq = 1; seq <= 30; seq++) refusals.push((await client.next('ERROR_NOTIFY')).body.result_code)
  assert.ok(refusals.includes(CIMErrorCode.kCIM_ERR_RATE_LIMITED))
  await stays(client)
  await strict.stop()
})

test('above RATE_LIMIT_ACKS the connection is closed', async () => {
  const strict = await startTestGate({ RATE_LIMIT_ACKS: '5' })
  const client = await online(1001, strict)
  for (let seq = 1; seq <= 12; seq++) client.send('HEARTBEAT', seq, {})
  await client.closed()
  await strict.stop()
})

test('more connections than RATE_LIMIT_CONNECTIONS are accepted no faster', async () => {
  const strict = await startTestGate({ RATE_LIMIT_CONNECTIONS: '10' })
  const clients = await Promise.all(Array.from({ length: 45 }, () => connect(strict.tcp)))
  const begun = performance.now()
  const logins = await Promise.all(clients.map((client, at) => client.login(2_000 + at)))
  assert.ok(logins.every((code) => code === 0))
  assert.ok(performance.now() - begun > 250, 'five had to wait for their turn')
  for (const client of clients) client.end()
  await strict.stop()
})

test('a reader that leaves too much unsent is closed', async () => {
  const client = await online(5_001)
  const login = (await gate.events(topics.requestLogin)).findLast(({ origin }) => origin.user_id === 5_001)!
  const number = gate.bus.recordsOf('im.request.login').length
  client.socket.pause()
  const body = message({ msg_data: Buffer.alloc(32_000) })
  const leaving = () => gate.presence.removed.some(({ user_id }) => user_id === 5_001)
  for (let sent = 0; sent < 2_000 && !leaving(); sent++)
    await gate.send({ ...targetOf(login.origin), login_number: number, seq_num: null }, 'MSG_DATA', body)
  await eventually(leaving, 'the slow reader to be closed')
  client.socket.resume()
  await client.closed()
})

test('while the bus is away each packet is answered SERVER_BUSY, and heartbeats are served', async () => {
  const client = await online()
  const stranger = await connect(gate.tcp)
  gate.bus.setAway(true)
  client.send('MSG_DATA', 1, message())
  assert.equal((await client.next('MSG_DATA_ACK')).body.res_code, CIMResCode.kCIM_RES_CODE_SERVER_BUSY)
  client.send('RECENT_CONTACT_SESSION_REQ', 2, { user_id: 1001, latest_update_time: 0 })
  assert.equal((await refused(client, CIMErrorCode.kCIM_ERR_SERVER_BUSY)).seq_num, 2)
  client.send('MSG_READ_ACK', 3, { user_id: 1001, session_id: 1002, msg_id: 'm', session_type: 1 })
  assert.equal((await refused(client, CIMErrorCode.kCIM_ERR_SERVER_BUSY)).seq_num, 3)
  assert.equal(await stranger.login(1003), CIMErrorCode.kCIM_ERR_SERVER_BUSY)
  gate.bus.setAway(false)
  await stays(client)
})

test('a message that no worker answers is SERVER_BUSY in time, and an OK that comes later is written too', async () => {
  const hasty = await startTestGate({ MESSAGE_ACK_TIMEOUT_MS: '150' })
  const client = await online(1001, hasty)
  client.send('MSG_DATA', 8, message())
  const busy = await client.next('MSG_DATA_ACK')
  assert.deepEqual([busy.seq, busy.body.res_code], [8, CIMResCode.kCIM_RES_CODE_SERVER_BUSY])
  const [submitted] = await hasty.events(topics.messageSubmitted)
  const ok = {
    from_user_id: 1001,
    to_session_id: 1002,
    msg_id: 'm1',
    res_code: 0,
    session_type: 1,
    server_msg_id: 1,
  }
  await hasty.send(targetOf(submitted!.origin), 'MSG_DATA_ACK', ok)
  const late = await client.next('MSG_DATA_ACK')
  assert.deepEqual([late.seq, late.body.res_code, late.body.server_msg_id], [8, 0, 1])
  client.end()
  await hasty.stop()
})

test('a login that no worker answers is SERVER_BUSY and closed', async () => {
  const hasty = await startTestGate({ MESSAGE_ACK_TIMEOUT_MS: '150' })
  const client = await connect(hasty.tcp)
  assert.equal(await client.login(1001, { token: 'silent' }), CIMErrorCode.kCIM_ERR_SERVER_BUSY)
  await client.closed()
  await hasty.stop()
})

test('a group that is asked about as a user, and a page above the limit, are a BAD_REQUEST', async () => {
  const client = await online()
  const page = { user_id: 1001, session_type: 1, session_id: 1002, end_msg_id: 0, limit_count: 101 }
  client.send('MSG_LIST_REQ', 1, page)
  await refused(client, CIMErrorCode.kCIM_ERR_BAD_REQUEST)
  client.send('MSG_LIST_REQ', 2, { ...page, session_id: groupId, limit_count: 0 })
  await refused(client, CIMErrorCode.kCIM_ERR_BAD_REQUEST)
  await stays(client)
})

test('a text message over WebSocket closes with 1003, half a packet with 1007', async () => {
  const [chatty, hasty] = [await connectWs(gate.http), await connectWs(gate.http)]
  const code = (client: typeof chatty) => new Promise((resolve) => client.ws.once('close', resolve))
  const codes = [code(chatty), code(hasty)]
  chatty.ws.send('hello')
  hasty.ws.send(encodePacket('HEARTBEAT', 1, {}).subarray(0, 10))
  assert.deepEqual(await Promise.all(codes), [1003, 1007])
})
