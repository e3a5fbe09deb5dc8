/** Robots through the whole system: the example of docs/examples, and bad ones beside it. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { type Consumer, Kafka, logLevel } from 'kafkajs'
import { CIM } from '../../proto/index.js'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const example = join(import.meta.dirname, '../../../docs/examples/echo-robot.mjs') // from dist/test/e2e
const secret = 'the secret of the robots'
const robotType = CIM.Def.CIMMsgType.kCIM_MSG_TYPE_Robot

let system: System
let crowd: Crowd
let echo: ChildProcess
let echoUrl: string
let letters: Consumer
let bad: Server
let badUrl: string
/** How often each path of the bad robots was called. */
const calls: Record<string, number> = {}
const behaviours: Record<string, (response: ServerResponse) => void> = {
  '/500': (response) => void response.writeHead(500).end(),
  '/nothing': () => {},
  '/garbage': (response) => void response.writeHead(200).end('<html>'),
  '/10MB': (response) => void response.writeHead(200).end(Buffer.alloc(10 * 1024 * 1024, 0x20)),
  '/twice': (response) =>
    void (calls['/twice'] === 1 ? response.writeHead(503).end() : response.end('{"body":"at last"}')),
}

before(async () => {
  const env = { ...process.env, ROBOT_SECRET: secret, PORT: '0' }
  echo = spawn(process.execPath, [example], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(createInterface({ input: echo.stdout! }), 'line')
  echoUrl = String(line).replace('listening on ', '')
  bad = createServer((request, response) => {
    const path = request.url ?? ''
    calls[path] = (calls[path] ?? 0) + 1
    behaviours[path]?.(response)
  }).listen(0, '127.0.0.1')
  await once(bad, 'listening')
  badUrl = `http://127.0.0.1:${(bad.address() as AddressInfo).port}`
  system = await startSystem({ env: { ROBOT_RETRY_DELAYS_MS: '100,100,100' } })
  crowd = createCrowd(system)
  letters = await readDeadLetters()
})
after(async () => {
  crowd?.leave()
  await letters?.disconnect()
  echo?.kill()
  bad?.closeAllConnections()
  bad?.close()
  await system?.stop()
})

let nextRobot = 900_001
/** A user that is a robot at this address. */
async function newRobot(webhook: string): Promise<number> {
  const user_id = nextRobot++
  const robot = { webhook, secret }
  const { status } = await system.api.post('/v1/users', {
    user_id: String(user_id),
    nick_name: 'robot',
    robot,
  })
  assert.equal(status, 201)
  return user_id
}

/** What a device has got from a robot, oldest first. */
const saidBy = ({ journal }: Device, robot: number) =>
  journal
    .filter(({ kind, from_user_id }) => kind === 'received' && from_user_id === robot)
    .map(({ msg_data }) => JSON.parse(String(msg_data)))

/** Why messages became dead letters, as far as it is known by now. */
const reasons: string[] = []

async function readDeadLetters(): Promise<Consumer> {
  const names = ['requested.robots', 'retry.5s.robots-5s', 'retry.30s.robots-30s', 'retry.120s.robots-120s']
  const client = new Kafka({ brokers: [system.kafka], logLevel: logLevel.NOTHING })
  const consumer = client.consumer({
    groupId: `${system.prefix}reader-${randomUUID()}`,
    maxWaitTimeInMs: 100,
  })
  await consumer.connect()
  const topics = names.map((name) => `${system.prefix}robot.${name}.dlq`)
  await consumer.subscribe({ topics, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message }) => void reasons.push(String(message.headers?.['dlq-reason'])),
  })
  return consumer
}

test('the echo robot answers with numbered ROBOT messages, on every device, in a robot session', async () => {
  const robot = await newRobot(echoUrl)
  const ada = await crowd.newUser()
  const phone = await crowd.online(ada)
  const web = await crowd.online(ada, { client_type: CIM.Def.CIMClientType.kCIM_CLIENT_TYPE_WEB })
  for (const text of ['one', 'two', 'three']) await phone.say(robot, text)
  const bodies = ['one', 'two', 'three'].map((body) => ({ body }))
  for (const device of [phone, web]) {
    await conditionHolds('the robot has answered', () => saidBy(device, robot).length === 3)
    assert.deepEqual(saidBy(device, robot), bodies)
  }
  const history = await system.api.get(`/v1/users/${ada.user_id}/messages?peer=${robot}`)
  assert.equal(history.status, 200)
  const types = history.body.messages.map(({ msg_type }: { msg_type: number }) => msg_type)
  assert.equal(types.filter((type: number) => type === robotType).length, 3)
  const { body } = await system.api.get(`/v1/users/${ada.user_id}/sessions`)
  assert.deepEqual(
    body.sessions.map((each: { is_robot_session: boolean; unread_cnt: number }) => [
      each.is_robot_session,
      each.unread_cnt,
    ]),
    [[true, 3]],
  )
})

test('two robots do not talk to each other', async () => {
  const [one, other] = [await newRobot(echoUrl), await newRobot(echoUrl)]
  const ada = await crowd.newUser()
  const phone = await crowd.online(ada)
  const token = (await system.api.get(`/v1/users/${one}/token`)).body.token
  const ones = await crowd.online({ user_id: one, token })
  await ones.say(other, 'hello robot')
  await conditionHolds('the other has answered', () => saidBy(ones, other).length === 1)
  await phone.say(one, 'and now?')
  await conditionHolds('one has answered', () => saidBy(phone, one).length === 1)
  assert.equal(saidBy(ones, other).length, 1)
})

test('a robot that is back answers at the next attempt', async () => {
  const robot = await newRobot(`${badUrl}/twice`)
  const phone = await crowd.online(await crowd.newUser())
  await phone.say(robot, 'hello')
  await conditionHolds('it has answered', () => saidBy(phone, robot).length === 1)
  assert.deepEqual([saidBy(phone, robot), calls['/twice']], [[{ body: 'at last' }], 2])
})

for (const [path, attempts, reason] of [
  ['/500', 4, 'the robot: HTTP 500'],
  ['/garbage', 1, 'the robot: the answer is not {"body": text}'],
  ['/10MB', 1, 'the robot: the answer is too long'],
] as const)
  test(`a robot that answers ${path.slice(1)} is asked ${attempts} times, then the message is a dead letter`, async () => {
    const robot = await newRobot(badUrl + path)
    const phone = await crowd.online(await crowd.newUser())
    await phone.say(robot, 'hello')
    await conditionHolds('it is a dead letter', () => reasons.includes(reason))
    assert.equal(calls[path], attempts)
    assert.deepEqual(saidBy(phone, robot), [])
  })

test('a robot that never answers slows nobody, however much is sent to it', async () => {
  const [dead, good] = [await newRobot(`${badUrl}/nothing`), await newRobot(echoUrl)]
  const phone = await crowd.online(await crowd.newUser())
  for (let at = 0; at < 20; at++) await phone.say(dead, `${at}`)
  const begun = Date.now()
  await phone.say(good, 'are you there?')
  await conditionHolds('the other robot answers', () => saidBy(phone, good).length === 1)
  assert.ok(Date.now() - begun < 6_000)
})
