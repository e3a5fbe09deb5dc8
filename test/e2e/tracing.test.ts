/** A trace goes with a message from the packet or call that brought it to every webhook and every phone. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import { type Hook, startHook } from '../helpers/hook.js'
import { newTrace } from '../helpers/new-trace.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

/** Asked before a message is stored; told what happened; shows notifications; answers as a robot. */
let asked: Hook
let told: Hook
let phones: Hook
let robot: Hook
let system: System
let crowd: Crowd

const ios = 2

before(async () => {
  ;[asked, told, phones, robot] = await Promise.all([startHook(), startHook(), startHook(), startHook()])
  // The first answer is lost, so what waits on a delay topic is seen to keep its trace too.
  told.respond = (call, response) => void response.writeHead(isRepeat(call.key) ? 200 : 503).end()
  robot.respond = () => ({ body: 'beep' })
  system = await startSystem({
    env: {
      WEBHOOK_BEFORE_SEND_URL: asked.url,
      WEBHOOK_EVENTS_URL: told.url,
      WEBHOOK_RETRY_DELAYS_MS: '300,300,1000',
      PUSH_PROVIDER: 'webhook',
      PUSH_WEBHOOK_URL: phones.url,
      DELIVERY_CHECK_DELAYS_MS: '700,700,700',
    },
  })
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
  for (const hook of [asked, told, phones, robot]) hook?.close()
})

const keys = new Set<string>()
const isRepeat = (key: string): boolean => keys.has(key) || !keys.add(key)

/** The trace ids of what a hook was told about a message. */
const tracesOf = ({ told: calls }: Hook, msg_id: string): (string | undefined)[] =>
  calls
    .filter(({ body }) => (body.data?.msg_id ?? body.msg_id) === msg_id)
    .map(({ traceparent }) => traceparent?.slice(3, 35))

/** Each of the hooks has heard of the message so often, and always as part of this trace. */
async function allBelong(msg_id: string, trace_id: string, hooks: readonly (readonly [Hook, number])[]) {
  for (const [hook, times] of hooks) {
    await conditionHolds(`${times} calls about the message`, () => tracesOf(hook, msg_id).length >= times)
    assert.deepEqual(new Set(tracesOf(hook, msg_id)), new Set([trace_id]))
  }
}

test('the trace of a packet goes to the webhooks, again when they fail, and to the phone', async () => {
  const [ada, bo] = [await crowd.newUser(), await crowd.newUser()]
  const adas = await crowd.online(ada)
  await crowd.away(bo)
  const { trace_id, traceparent } = newTrace()
  const msg_id = adas.send(bo.user_id, 'hello', { traceparent })
  await allBelong(msg_id, trace_id, [
    [asked, 1],
    [told, 2],
    [phones, 1],
  ])
})

test('who receives a message does not learn its trace', async () => {
  const { bo, adas, bos } = await crowd.pair()
  const received = await bos.received(adas.send(bo.user_id, 'hello', { traceparent: newTrace().traceparent }))
  assert.equal(received.traceparent, null)
})

test('a device that acks nothing is notified within the trace of the message', async () => {
  const [ada, bo] = [await crowd.newUser(), await crowd.newUser()]
  await crowd.away(bo)
  const bos = await crowd.online(bo, { client_type: ios })
  bos.acking = false
  const { trace_id, traceparent } = newTrace()
  const msg_id = (await crowd.online(ada)).send(bo.user_id, 'hello?', { traceparent })
  await allBelong(msg_id, trace_id, [[phones, 1]])
})

test('the trace of an HTTP call goes the same ways, and through a group; its id is the request id', async () => {
  const [ada, bo] = [await crowd.newUser(), await crowd.newUser()]
  await crowd.away(bo)
  const members = [String(bo.user_id)]
  const { body } = await system.api.post('/v1/groups', {
    ...{ owner_id: String(ada.user_id), members, name: 'two' },
  })
  const { trace_id, traceparent } = newTrace()
  const msg_id = 'through-http'
  const response = await fetch(`http://127.0.0.1:${system.http}/v1/messages`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${system.apiKey}`,
      'content-type': 'application/json',
      traceparent,
    },
    body: JSON.stringify({
      ...{ from_user_id: String(ada.user_id), group_id: body.group_id, msg_id, msg_type: 1, text: 'hi' },
    }),
  })
  assert.equal(response.status, 201)
  assert.equal(response.headers.get('x-request-id'), trace_id)
  await allBelong(msg_id, trace_id, [
    [asked, 1],
    [told, 2],
    [phones, 1],
  ])
})

test('a robot is asked, and its answer told of, within the trace of the question', async () => {
  const ada = await crowd.newUser()
  const user_id = String(ada.user_id + 5_000)
  const hook = { webhook: robot.url, secret: robot.secret }
  await system.api.post('/v1/users', { user_id, nick_name: 'robot', robot: hook })
  const { trace_id, traceparent } = newTrace()
  const adas = await crowd.online(ada)
  const asking = await adas.say(Number(user_id), 'who are you?', { traceparent })
  const answer = `robot:c:${ada.user_id}:${user_id}:${asking}`
  await allBelong(answer, trace_id, [[told, 1]])
  assert.equal(robot.told[0]?.traceparent?.slice(3, 35), trace_id)
})

const unusable: readonly [string, string][] = [
  ['no traceparent at all', 'mine'],
  ['an id of zeros', `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`],
]
for (const [name, traceparent] of unusable)
  test(`a message whose trace is ${name} is sent without one`, async () => {
    const { bo, adas } = await crowd.pair()
    const msg_id = adas.send(bo.user_id, 'hello', { traceparent })
    assert.equal((await adas.acked(msg_id)).res_code, 0)
    await conditionHolds('the webhook is told', () => tracesOf(told, msg_id).length > 0)
    assert.deepEqual(new Set(tracesOf(told, msg_id)), new Set([undefined]))
  })
