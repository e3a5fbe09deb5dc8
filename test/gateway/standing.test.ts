/** A gate whose lease is in doubt, one that was replaced, and one that stops (I9; spec 2, "Stopping and starting"). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { topics } from '../../schemas/topics.js'
import { connect, connectWs } from '../helpers/client.js'
import { eventually, startTestGate, type TestGate, targetOf } from '../helpers/gate.js'

const { CIMErrorCode, CIMResCode } = CIM.Def
const away = new Error('Redis is away')
const message = {
  from_user_id: 1001,
  to_session_id: 1002,
  msg_id: 'm1',
  create_time: 1,
  msg_type: 1,
  msg_data: Buffer.from('hello'),
}

const suspended = (gate: TestGate) =>
  eventually(() => !gate.gateway.isReady(), 'the gate to be suspended').then(() => {})
const resumed = (gate: TestGate) => eventually(() => gate.gateway.isReady(), 'the gate to go on')

test('a suspended gate answers heartbeats and SERVER_BUSY, forwards nothing and writes nothing of the bus', async () => {
  const gate = await startTestGate({ LEASE_MS: '1000' })
  const client = await connect(gate.tcp)
  await client.login(1001)
  const [request] = await gate.events(topics.requestLogin)
  const device = { ...targetOf(request!.origin), login_number: 1, seq_num: null }
  gate.lease(away)
  await suspended(gate)

  await gate.send(device, 'MSG_DATA', { ...message, msg_id: 'held back' })
  client.send('MSG_DATA', 1, message)
  client.send('RECENT_CONTACT_SESSION_REQ', 2, { user_id: 1001, latest_update_time: 0 })
  client.send('MSG_DATA_ACK', 3, { ...message, res_code: 0, session_type: 1 })
  client.send('HEARTBEAT', 4, {})
  assert.equal((await client.next('MSG_DATA_ACK')).body.res_code, CIMResCode.kCIM_RES_CODE_SERVER_BUSY)
  assert.equal((await client.next('ERROR_NOTIFY')).body.result_code, CIMErrorCode.kCIM_ERR_SERVER_BUSY)
  await client.next('HEARTBEAT')
  const stranger = await connect(gate.tcp)
  assert.equal(await stranger.login(1003), CIMErrorCode.kCIM_ERR_SERVER_BUSY)
  await stranger.closed()
  assert.equal(client.inbox.length, 0)
  assert.equal(gate.bus.recordsOf('im.message.submitted').length, 0)
  assert.equal(gate.bus.recordsOf('im.delivery.acked').length, 0)
  assert.equal(gate.presence.registered.length, 0)

  gate.lease('held')
  await resumed(gate)
  assert.deepEqual(
    gate.presence.registered.map(({ user_id, login_number }) => [user_id, login_number]),
    [[1001, 1]],
  )
  assert.equal((await client.next('MSG_DATA')).body.msg_id, 'held back')
  client.end()
  await gate.stop()
})

test('a device whose place was taken meanwhile is kicked before the gate goes on', async () => {
  const gate = await startTestGate({ LEASE_MS: '1000' })
  const [replaced, kept] = [await connect(gate.tcp), await connect(gate.tcp)]
  await replaced.login(1001)
  await kept.login(1002)
  gate.refuseRegistration(1001)
  gate.lease('restored')
  const kick = await replaced.next('KICK_NOTIFY')
  assert.equal(kick.body.reason, CIM.Def.CIMKickReason.kCIM_KICK_REASON_SAME_DEVICE_LOGIN)
  await replaced.closed()
  assert.equal(kept.isClosed(), false)
  kept.end()
  await gate.stop()
})

test('a login that was being judged while the lease was lost is SERVER_BUSY', async () => {
  const gate = await startTestGate({ LEASE_MS: '1000' })
  const client = await connect(gate.tcp)
  const code = client.login(1001, { token: 'silent' })
  await gate.events(topics.requestLogin)
  gate.lease(away)
  await suspended(gate)
  gate.lease('restored')
  assert.equal(await code, CIMErrorCode.kCIM_ERR_SERVER_BUSY)
  await client.closed()
  await gate.stop()
})

test('a gate whose id was taken closes every connection, says so and marks nobody offline', async () => {
  const gate = await startTestGate({ LEASE_MS: '1000' })
  const clients = [await connect(gate.tcp), await connectWs(gate.http)]
  for (const [at, client] of clients.entries()) await client.login(1001 + at)
  gate.lease('fenced')
  for (const client of clients) await client.closed()
  assert.equal(gate.isFenced(), true)
  assert.equal(gate.presence.removed.length, 0)
  await gate.stop()
})

test('a stopping gate sends its clients elsewhere, answers what is in flight and takes them offline', async () => {
  const gate = await startTestGate({ DRAIN_MS: '300' })
  const clients = [await connect(gate.tcp), await connectWs(gate.http)]
  for (const [at, client] of clients.entries()) await client.login(1001 + at)
  const stopped = gate.stop()
  const delays = await Promise.all(
    clients.map(async (client) => (await client.next('RECONNECT_NOTIFY')).body.delay_ms),
  )
  assert.deepEqual(delays, [0, 150])
  assert.equal(gate.gateway.isReady(), false)
  await assert.rejects(connect(gate.tcp))
  const [client] = clients
  client!.send('MSG_DATA', 6, message)
  const [submitted] = await gate.events(topics.messageSubmitted)
  await new Promise((resolve) => setTimeout(resolve, 350))
  assert.equal(client!.isClosed(), false)
  const ok = { ...message, res_code: 0, session_type: 1, server_msg_id: 1 }
  await gate.send(targetOf(submitted!.origin), 'MSG_DATA_ACK', ok)
  assert.equal((await client!.next('MSG_DATA_ACK')).seq, 6)
  await Promise.all(clients.map((each) => each.closed()))
  await stopped
  assert.deepEqual(gate.presence.removed.map(({ user_id }) => user_id).sort(), [1001, 1002])
  assert.equal(gate.bus.recordsOf('im.presence.changed').length, 2)
})
