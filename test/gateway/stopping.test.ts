/** A gate that stops: what it owes is paid first (spec 2, "Stopping and starting"; more of it in standing.test.ts). */
import assert from 'node:assert/strict'
import { Agent, get, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { recordOf, topics } from '../../schemas/topics.js'
import { connect } from '../helpers/client.js'
import { startTestGate, type TestGate, targetOf } from '../helpers/gate.js'

const fetched = (gate: TestGate, agent: Agent, path: string): Promise<IncomingMessage & { text: string }> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer key' }
    const asking = get({ agent, host: '127.0.0.1', port: gate.http, path, headers }, async (response) => {
      const chunks = await response.toArray()
      resolve(Object.assign(response, { text: Buffer.concat(chunks).toString() }))
    })
    asking.once('error', reject)
  })

test('a device whose login was under way is told to go on as soon as it is online', async () => {
  const gate = await startTestGate({ DRAIN_MS: '5000' })
  const client = await connect(gate.tcp)
  const code = client.login(1001, { token: 'silent' })
  const [login] = await gate.events(topics.requestLogin)
  const { origin } = login!
  const stopped = gate.stop()
  const accepted = { login_number: 1, user_id: 1001, device: origin.device, nick_name: 'ada' }
  const result_code = CIM.Def.CIMErrorCode.kCIM_ERR_SUCCSSE
  await gate.send({ ...targetOf(origin), accepted }, 'AUTH_TOKEN_RSP', { server_time: 1, result_code })
  assert.equal(await code, result_code)
  assert.equal((await client.next('RECONNECT_NOTIFY')).body.delay_ms, 0)
  client.end()
  await stopped
})

test('while it drains each answer ends its connection; a call in flight is answered before the end', async () => {
  const gate = await startTestGate({ DRAIN_MS: '300' })
  const agent = new Agent({ keepAlive: true })
  // Somebody who stays until the end of the drain.
  const client = await connect(gate.tcp)
  await client.login(1001)
  assert.equal((await fetched(gate, agent, '/healthz')).headers.connection, 'keep-alive')
  const calling = fetched(gate, agent, '/v1/users/1002')
  const [asked] = await gate.events(topics.requestUser)
  const stopped = gate.stop()
  const ready = await fetched(gate, agent, '/readyz')
  assert.deepEqual([ready.statusCode, ready.headers.connection], [503, 'close'])
  await client.closed()
  const body = Buffer.from(JSON.stringify({ error: { code: 'NOT_FOUND', message: 'no such user' } }))
  const packet = [{ target: [targetOf(asked!.origin)], http_status: 404, body }]
  const producer = await gate.bus.producer('workers')
  await producer.publish([
    recordOf({ prefix: 'im.' }, topics.gateOutbound, { packet }, gate.identity.gate_id),
  ])
  const answer = await calling
  assert.deepEqual([answer.statusCode, answer.headers.connection], [404, 'close'])
  await stopped
  agent.destroy()
})
