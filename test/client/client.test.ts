/** The client against a server that fails on purpose. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type ChatMessage, type Client, ErrorCode, KickReason, ResCode } from '../../client/index.js'
import { createNodeClient } from '../../client/node.js'
import { until } from '../helpers/until.js'
import { type Script, startScriptedServer } from './scripted-server.js'

const me = 1
const bo = 2
const within_ms = 10_000
const text = (content: string) => new TextEncoder().encode(content)

async function visit(t: TestContext, script: Script) {
  const server = await startScriptedServer(script)
  const retry = { firstRetry_ms: 20, longestRetry_ms: 100 }
  const client: Client = createNodeClient({ user_id: me, token: 't', addresses: [server.address], ...retry })
  const messages: ChatMessage[] = []
  client.on('message', (message) => void messages.push(message))
  t.after(async () => {
    client.close()
    await server.stop()
  })
  const synced = new Promise((resolve) => client.on('synced', resolve))
  await client.connect()
  await synced
  const of = (name: string) => server.received.filter((packet) => packet.name === name)
  return { server, client, messages, of }
}

const delivered = (server_msg_id: number) => ({
  ...{ from_user_id: bo, to_session_id: me, msg_id: `m${server_msg_id}`, create_time: 1 },
  ...{ msg_type: 1 as const, msg_data: text(`${server_msg_id}`), server_msg_id },
})

test('a push is acked each time it comes, and shown once', async (t) => {
  const { server, client, of } = await visit(t, () => false)
  const shown: string[] = []
  client.on('push', ({ push_id }) => void shown.push(push_id))
  const push = { user_id: me, push_type: 'order.paid', create_time: 1, payload: text('paid') }
  for (const push_id of ['a', 'a', 'b']) server.visitor().put('PUSH_DATA', { ...push, push_id })
  await until('three acks', () => of('PUSH_DATA_ACK').length === 3, within_ms)
  assert.deepEqual(shown, ['a', 'b'])
})

test('a message is written again with its msg_id until it is acked: after SERVER_BUSY, and after a cut', async (t) => {
  let writes = 0
  const { client, of } = await visit(t, (packet, { put, cut }) => {
    if (packet.name !== 'MSG_DATA') return false
    const { from_user_id, to_session_id, msg_id } = packet.body
    const ack = { from_user_id, to_session_id, msg_id, session_type: 1 as const }
    writes++
    if (writes === 1) put('MSG_DATA_ACK', { ...ack, res_code: ResCode.SERVER_BUSY }, packet.seq)
    else if (writes === 2) cut()
    else put('MSG_DATA_ACK', { ...ack, res_code: ResCode.OK, server_msg_id: 1, create_time: 5 }, packet.seq)
    return true
  })
  const { server_msg_id, msg_id } = await client.send(bo, 'hello')
  assert.equal(server_msg_id, 1)
  assert.deepEqual(
    of('MSG_DATA').map((packet) => packet.name === 'MSG_DATA' && packet.body.msg_id),
    [msg_id, msg_id, msg_id],
  )
})

test('what is missing is asked for, and shown before what came after it; repeats are acked', async (t) => {
  const { server, messages, of } = await visit(t, (packet, { put }) => {
    if (packet.name !== 'MSG_LIST_REQ') return false
    const { from_user_id, to_session_id, create_time, msg_type, msg_data } = delivered(2)
    const info = {
      client_msg_id: 'm2',
      server_msg_id: 2,
      msg_res_code: 0,
      msg_feature: 2,
      msg_status: 1,
    } as const
    const rest = {
      from_user_id,
      to_session_id,
      create_time,
      msg_type,
      msg_data,
      sender_client_type: 3 as const,
    }
    const { user_id, session_type, session_id } = packet.body
    put(
      'MSG_LIST_RSP',
      { user_id, session_type, session_id, msg_list: [{ ...info, ...rest, session_type: 1 }] },
      packet.seq,
    )
    return true
  })
  for (const number of [1, 3, 3, 1]) server.visitor().put('MSG_DATA', delivered(number))
  await until('all are shown', () => messages.length === 3, within_ms)
  assert.deepEqual(
    messages.map(({ server_msg_id }) => server_msg_id),
    [1, 2, 3],
  )
  assert.equal(of('MSG_DATA_ACK').length, 4)
  assert.equal(of('MSG_LIST_REQ').length, 1)
})

test('a report is sent again under its id until the server has it; a refusal is told', async (t) => {
  let asked = 0
  const { client, of } = await visit(t, (packet, { put, cut }) => {
    if (packet.name !== 'REPORT_REQ') return false
    const { user_id, report_id, report_type } = packet.body
    asked++
    if (report_type === 'wrong')
      put('REPORT_RSP', { user_id, report_id, result_code: ErrorCode.BAD_REQUEST }, packet.seq)
    else if (asked === 1) cut()
    else put('REPORT_RSP', { user_id, report_id, result_code: ErrorCode.SUCCESS }, packet.seq)
    return true
  })
  await client.report('page.seen', '{}', 'r1')
  assert.deepEqual(
    of('REPORT_REQ').map((packet) => packet.name === 'REPORT_REQ' && packet.body.report_id),
    ['r1', 'r1'],
  )
  await assert.rejects(client.report('wrong', ''), /BAD_REQUEST/)
})

test('a gateway that drains is left, and the client is back', async (t) => {
  const { server, client, of } = await visit(t, () => false)
  server.visitor().put('RECONNECT_NOTIFY', { delay_ms: 10 })
  await until('a second login', () => of('AUTH_TOKEN_REQ').length === 2, within_ms)
  await until('online', () => client.state().name === 'online', within_ms)
})

test('who is kicked does not come back by itself', async (t) => {
  const { server, client, of } = await visit(t, () => false)
  const reason = KickReason.ADMIN
  server.visitor().put('KICK_NOTIFY', { user_id: me, client_type: 3, reason, message: 'out' })
  await until('closed', () => client.state().name === 'closed', within_ms)
  const state = client.state()
  assert.ok(state.name === 'closed' && state.ending.why === 'kicked' && state.ending.reason === reason)
  assert.equal(of('AUTH_TOKEN_REQ').length, 1)
})

test('a login that is answered with SERVER_BUSY is tried again', async (t) => {
  let logins = 0
  const { client } = await visit(t, (packet, { put }) => {
    if (packet.name !== 'AUTH_TOKEN_REQ' || ++logins > 2) return false
    put('AUTH_TOKEN_RSP', { server_time: 1, result_code: ErrorCode.SERVER_BUSY }, packet.seq)
    return true
  })
  assert.equal(client.state().name, 'online')
  assert.equal(logins, 3)
})

test('a read is said again on the next connection', async (t) => {
  const { server, client, of } = await visit(t, () => false)
  client.markRead({ session_id: bo, msg_id: 'm7', server_msg_id: 7 })
  client.markRead({ session_id: bo, msg_id: 'm6', server_msg_id: 6 })
  await until('told', () => of('MSG_READ_ACK').length === 1, within_ms)
  server.visitor().cut()
  await until('told again', () => of('MSG_READ_ACK').length === 2, within_ms)
  assert.deepEqual(
    of('MSG_READ_ACK').map((packet) => packet.name === 'MSG_READ_ACK' && packet.body.server_msg_id),
    [7, 7],
  )
})
