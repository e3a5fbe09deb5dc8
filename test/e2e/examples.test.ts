/** The examples for backend teams run as they are written: Python and TypeScript (docs/topics.md). */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import { type Program, run } from '../helpers/program.js'
import { pythonProgram } from '../helpers/python.js'
import { type System, startSystem } from '../helpers/system.js'

const root = join(import.meta.dirname, '../../..') // from dist/test/e2e
const found = pythonProgram('confluent-kafka', '2.16.1')
const skip = 'missing' in found ? found.missing : false
const python = 'program' in found ? join(dirname(found.program), 'python') : ''

let system: System
let crowd: Crowd
before(async () => {
  system = await startSystem()
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
})

/** An example, which is ended with its test. */
function start(t: TestContext, ...command: [string, ...string[]]): Program {
  const env = { KAFKA_BROKERS: system.kafka, TOPIC_PREFIX: system.prefix }
  const program = run(command, { cwd: root, env })
  t.after(() => program.end('SIGKILL'))
  return program
}

/** Each pair of examples: how the one that pushes and the one that reads reports are started. */
const examples: [string, string | false, () => [string, string], () => [string, string]][] = [
  ['Python', skip, () => [python, 'docs/examples/push.py'], () => [python, 'docs/examples/reports.py']],
  [
    'TypeScript',
    false,
    () => [process.execPath, 'dist/docs/examples/push.js'],
    () => [process.execPath, 'dist/docs/examples/reports.js'],
  ],
]

test('the example client without a token says how it is called', async (t) => {
  const client = start(t, process.execPath, 'docs/example-client.mjs', '1001')
  await client.says(/^node docs\/example-client\.mjs USER_ID TOKEN/m)
})

for (const [language, skipped, push, reports] of examples) {
  test(`the producer in ${language} pushes, and ends once it is acked`, { skip: skipped }, async (t) => {
    const ada = await crowd.newUser()
    const device = await crowd.online(ada)
    const program = start(t, ...push(), String(ada.user_id), 'Your order is paid')
    const { body } = await device.next('PUSH_DATA', { within_ms: 30_000 }).catch((error: Error) => {
      throw new Error(`${error.message}; the example said:\n${program.said()}`)
    })
    assert.deepEqual(JSON.parse(Buffer.from(body.payload).toString()), { text: 'Your order is paid' })
    device.put('PUSH_DATA_ACK', { user_id: ada.user_id, push_id: body.push_id })
    await program.says(/^acked/m, 30_000)
    assert.equal(await program.ended(), 0)
  })

  test(`the consumer in ${language} prints what a client reports`, { skip: skipped }, async (t) => {
    const ada = await crowd.newUser()
    const program = start(t, ...reports())
    const payload = Buffer.from('five stars').toString('base64')
    const body = { report_id: randomUUID(), report_type: 'rating', payload }
    const path = `/v1/users/${ada.user_id}/reports`
    assert.equal((await system.api.post(path, body)).status, 201)
    await program.says(new RegExp(`^${ada.user_id} rating five stars$`, 'm'), 60_000)
  })
}

test('the reader of messages prints what is said', async (t) => {
  const { ada, bo, adas } = await crowd.pair()
  await adas.say(bo.user_id, 'in JSON')
  const program = start(t, process.execPath, 'dist/docs/examples/messages.js', 'proto/business.proto')
  await program.says(new RegExp(`^c:${ada.user_id}:${bo.user_id} 1 ${ada.user_id} in JSON$`, 'm'), 60_000)
})
