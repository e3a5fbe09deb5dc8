import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { encodePacket } from '../../gateway/codec/packet.js'
import { CIM } from '../../proto/index.js'
import { topics } from '../../schemas/topics.js'
import { connect, connectWs, type TestClient } from '../helpers/client.js'
import { eventually, startTestGate, type TestGate, targetOf } from '../helpers/gate.js'

let gate: TestGate
before(async () => {
  gate = await startTestGate()
})
after(() => gate.stop())

const { CIMErrorCode } = CIM.Def
const delivered = (msg_id: string, from_user_id = 9) => ({
  from_user_id,
  to_session_id: 1,
  msg_id,
  create_time: 1,
  msg_type: 1,
  msg_data: Buffer.from(msg_id),
  session_type: 1,
  server_msg_id: 1,
})
const ref = {
  from_user_id: 9,
  to_session_id: 1,
  msg_id: 'm',
  session_type: 1,
  conversation: 'c:1:9',
  server_msg_id: 1,
}

/** The origin of a user's last login request. */
const originOf = async (user_id: number) => {
  const found = () =>
    gate.bus
      .recordsOf('im.request.login')
      .map(({ value, offset }) => ({ ...topics.requestLogin.decode(value), number: offset + 1 }))
      .findLast(({ origin }) => origin.user_id === user_id)
  return eventually(found, `a login request of ${user_id}`)
}

/** Where deliveries to this user's device go. */
const deviceOf = async (user_id: number) => {
  const { origin, number } = await originOf(user_id)
  const { device } = origin
  return { ...targetOf(origin), login_number: number, seq_num: null, user_id, device }
}

const accept = async (user_id: number) => {
  const { origin, number: login_number } = await originOf(user_id)
  const accepted = { login_number, user_id, device: origin.device, nick_name: 'n' }
  await gate.send({ ...targetOf(origin), accepted }, 'AUTH_TOKEN_RSP', { server_time: 1, result_code: 0 })
}

const beginLogin = (client: TestClient, user_id: number): void =>
  client.send('AUTH_TOKEN_REQ', 1, { user_id, nick_name: 'n', user_token: 'silent', client_type: 2 })

const missed = async (msg_id: string) => {
  const find = () =>
    gate.bus
      .recordsOf('im.delivery.missed')
      .map(({ value }) => topics.deliveryMissed.decode(value))
      .find((event) => event.ref.msg_id === msg_id)
  return eventually(find, `delivery.missed of ${msg_id}`)
}

test('the request of a login names the connection, the device and where it comes from', async () => {
  const client = await connect(gate.tcp)
  client.send('AUTH_TOKEN_REQ', 77, {
    user_id: 101,
    nick_name: 'a',
    user_token: 'good',
    client_type: 1,
    device_id: 'phone',
  })
  assert.equal((await client.next('AUTH_TOKEN_RSP')).seq, 77)
  const { origin, remote_address } = await originOf(101)
  assert.deepEqual({ ...origin.device }, { client_type: 1, device_id: 'phone' })
  assert.deepEqual(
    [origin.gate_id, origin.gate_epoch, origin.login_number],
    ['gate-1', gate.identity.gate_epoch, 0],
  )
  assert.equal(remote_address, '127.0.0.1')
  client.end()
})

test('what the bus has for a login that is being judged is written after its answer, in order', async () => {
  const client = await connect(gate.tcp)
  beginLogin(client, 102)
  const device = await deviceOf(102)
  for (const msg_id of ['a', 'b', 'c']) await gate.send(device, 'MSG_DATA', delivered(msg_id), { ref })
  await accept(102)
  await eventually(() => client.inbox.length === 4, 'four packets')
  assert.deepEqual(
    client.inbox.map(({ name }) => name),
    ['AUTH_TOKEN_RSP', 'MSG_DATA', 'MSG_DATA', 'MSG_DATA'],
  )
  await client.next('AUTH_TOKEN_RSP')
  for (const [at, msg_id] of ['a', 'b', 'c'].entries()) {
    const { seq, body } = await client.next('MSG_DATA')
    assert.deepEqual([seq, body.msg_id], [at + 1, msg_id])
  }
  client.end()
})

test('what a client sends while its login is being judged is served after it', async () => {
  const client = await connect(gate.tcp)
  beginLogin(client, 103)
  client.send('HEARTBEAT', 2, {})
  client.send('MSG_DATA', 3, { ...delivered('early', 103), to_session_id: 5 })
  await originOf(103)
  client.send('HEARTBEAT', 4, {})
  await accept(103)
  await client.next('AUTH_TOKEN_RSP')
  assert.equal((await client.next('HEARTBEAT')).seq, 2)
  assert.equal((await client.next('HEARTBEAT')).seq, 4)
  const { origin, message } = (await gate.events(topics.messageSubmitted)).at(-1)!
  assert.equal(message.msg_id, 'early')
  assert.equal(message.server_msg_id, null)
  assert.equal(origin.login_number, (await originOf(103)).number)
  client.end()
})

test('messages held for a login whose connection closes are missed', async () => {
  const client = await connect(gate.tcp)
  beginLogin(client, 104)
  const device = await deviceOf(104)
  await gate.send(device, 'MSG_DATA', delivered('held'), { ref: { ...ref, msg_id: 'held' } })
  await gate.send(device, 'KICK_NOTIFY', { user_id: 104, client_type: 2, reason: 2 }, { close: true })
  await client.next('KICK_NOTIFY')
  await client.closed()
  const { login } = await missed('held')
  assert.deepEqual([login.user_id, login.login_number, login.gate_id], [104, device.login_number, 'gate-1'])
})

test('a login accepted for a connection that is gone is taken offline', async () => {
  const client = await connect(gate.tcp)
  beginLogin(client, 105)
  await originOf(105)
  await gate.send(
    await deviceOf(105),
    'KICK_NOTIFY',
    { user_id: 105, client_type: 2, reason: 1 },
    { close: true },
  )
  await client.closed()
  await accept(105)
  await eventually(
    () => gate.presence.removed.some(({ user_id }) => user_id === 105),
    'presence to be removed',
  )
})

test('a connection that ends takes its device offline and businesses are told', async () => {
  const client = await connect(gate.tcp)
  await client.login(106, { client_type: 3 })
  const { number } = await originOf(106)
  client.end()
  const changed = await eventually(
    () => gate.bus.recordsOf('im.presence.changed').find(({ key }) => key === '106'),
    'presence.changed',
  )
  const { user_id, client_type, state, gate_id } = JSON.parse(changed.value.toString())
  assert.deepEqual([user_id, client_type, state, gate_id], ['106', 3, 'offline', 'gate-1'])
  const removed = gate.presence.removed.find((login) => login.user_id === 106)
  assert.equal(removed?.login_number, number)
})

test('a message for a login that this gate does not hold is missed; answers and notifies are dropped', async () => {
  const client = await connect(gate.tcp)
  await client.login(107)
  const device = await deviceOf(107)
  const strangers = {
    'no such connection': { ...device, connection_id: 999_999 },
    'another login': { ...device, login_number: device.login_number + 1 },
    'an earlier start of this gate': { ...device, gate_epoch: device.gate_epoch - 1 },
  }
  for (const [msg_id, to] of Object.entries(strangers)) {
    await gate.send(to, 'MSG_READ_NOTIFY', { user_id: 1, session_id: 1, msg_id, session_type: 1 })
    await gate.send(to, 'MSG_DATA', delivered(msg_id), { ref: { ...ref, msg_id } })
    const { login } = await missed(msg_id)
    assert.equal(login.login_number, to.login_number)
    assert.equal(login.gate_epoch, to.gate_epoch)
  }
  const later = { ...device, gate_epoch: device.gate_epoch + 1 }
  await gate.send(later, 'MSG_DATA', delivered('later'), { ref: { ...ref, msg_id: 'later' } })
  await gate.send(device, 'MSG_DATA', delivered('mine'), { ref })
  assert.equal((await client.next('MSG_DATA')).body.msg_id, 'mine')
  assert.equal(client.inbox.length, 0)
  assert.equal(
    gate.bus.recordsOf('im.delivery.missed').some(({ value }) => value.includes('later')),
    false,
  )
  client.end()
})

test("a worker's packet may close the connection once it is written", async () => {
  const client = await connect(gate.tcp)
  await client.login(108)
  client.send('LOGOUT_REQ', 2, { user_id: 108, client_type: 2 })
  const logout = await eventually(
    () =>
      gate.bus
        .recordsOf('im.request.login')
        .map(({ value }) => topics.requestLogin.decode(value))
        .find((request) => request.logout?.user_id === 108),
    'the logout',
  )
  await gate.send(targetOf(logout.origin), 'LOGOUT_RSP', { result_code: 0 }, { close: true })
  assert.equal((await client.next('LOGOUT_RSP')).seq, 2)
  await client.closed()
})

test('the answer to a wrong token waits as long as the worker says', async () => {
  const client = await connect(gate.tcp)
  beginLogin(client, 109)
  const { origin } = await originOf(109)
  const begun = performance.now()
  const refusal = { server_time: 1, result_code: CIMErrorCode.kCIM_ERR_LOGIN_INVALID_USER_TOKEN }
  await gate.send(targetOf(origin), 'AUTH_TOKEN_RSP', refusal, { close: true, delay_ms: 300 })
  await client.next('AUTH_TOKEN_RSP')
  assert.ok(performance.now() - begun >= 295)
  await client.closed()
})

test('packets are served however TCP cuts them, and many at once', async () => {
  const client = await connect(gate.tcp)
  await client.login(110)
  const packets = [1, 2, 3].map((seq) => encodePacket('HEARTBEAT', seq, {}))
  for (const byte of Buffer.concat(packets)) {
    client.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  client.write(Buffer.concat(packets))
  for (const seq of [1, 2, 3, 1, 2, 3]) assert.equal((await client.next('HEARTBEAT')).seq, seq)
  client.end()
})

test('a WebSocket client logs in, sends several packets in one message and gets its deliveries', async () => {
  const client = await connectWs(gate.http)
  assert.equal(await client.login(111), 0)
  client.ws.send(Buffer.concat([1, 2].map((seq) => encodePacket('HEARTBEAT', seq, {}))))
  assert.equal((await client.next('HEARTBEAT')).seq, 1)
  assert.equal((await client.next('HEARTBEAT')).seq, 2)
  await gate.send(await deviceOf(111), 'MSG_DATA', delivered('ws'), { ref })
  assert.equal((await client.next('MSG_DATA')).body.msg_id, 'ws')
  client.end()
})

test('an ack of a receiver names the device that has the message', async () => {
  const client = await connect(gate.tcp)
  await client.login(112)
  const ack = { from_user_id: 9, to_session_id: 112, msg_id: 'seen', res_code: 0, session_type: 1 }
  client.send('MSG_DATA_ACK', 2, ack)
  const event = (await gate.events(topics.deliveryAcked)).at(-1)!
  const { number } = await originOf(112)
  assert.deepEqual([event.login.user_id, event.login.login_number, event.msg_id], [112, number, 'seen'])
  client.end()
})

test('an answer longer than a reader may leave unsent is written whole', async () => {
  const client = await connect(gate.tcp)
  await client.login(113)
  client.send('RECENT_CONTACT_SESSION_REQ', 9, { user_id: 113, latest_update_time: 0 })
  const { origin } = (await gate.events(topics.requestQuery)).at(-1)!
  client.socket.pause()
  const row = {
    session_id: 1,
    session_type: 1,
    session_status: 0,
    unread_cnt: 0,
    updated_time: 1,
    msg_id: 'm',
    msg_time_stamp: 1,
    msg_data: Buffer.alloc(4_096),
    msg_type: 1,
    msg_from_user_id: 1,
    msg_status: 1,
  }
  const contact_session_list = Array.from({ length: 990 }, () => row)
  const list = { user_id: 113, unread_counts: 0, contact_session_list }
  await gate.send(targetOf(origin), 'RECENT_CONTACT_SESSION_RSP', list)
  await gate.send(await deviceOf(113), 'MSG_DATA', delivered('behind'), { ref })
  client.socket.resume()
  const { seq, body } = await client.next('RECENT_CONTACT_SESSION_RSP')
  assert.deepEqual([seq, body.contact_session_list.length], [9, 990])
  await client.next('MSG_DATA')
  assert.equal(client.isClosed(), false)
  client.end()
})
