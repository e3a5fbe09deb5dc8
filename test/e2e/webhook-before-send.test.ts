/** The business is asked before a message is stored: it refuses and changes, once per message, in order. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import { type Hook, startHook } from '../helpers/hook.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

let hook: Hook
let system: System
let crowd: Crowd

before(async () => {
  hook = await startHook()
  hook.respond = ({ body: { text = '' } }) => {
    if (text.startsWith('forbidden')) return { action: 'refuse', code: 'MUTED' }
    if (text.startsWith('rude')) return { action: 'change', text: text.replace('rude', '****') }
    return { action: 'allow' }
  }
  system = await startSystem({
    env: {
      WEBHOOK_BEFORE_SEND_URL: `${hook.url}token-of-the-address`,
      WEBHOOK_BEFORE_SEND_SECRET: hook.secret,
      WEBHOOK_BEFORE_SEND_TIMEOUT_MS: '3000', // also on a busy machine
      WEBHOOK_EVENTS_URL: `${hook.url}token-of-the-address`,
      WEBHOOK_EVENTS_SECRET: hook.secret,
    },
  })
  crowd = createCrowd(system)
})
after(async () => {
  if (crowd) crowd.leave()
  await system?.stop()
  hook?.close()
})

const calls = (msg_id: string) => hook.told.filter(({ body }) => body.msg_id === msg_id).length

test('a message that it refuses is not stored, and its sender learns so; judged anew when it comes again', async () => {
  const { adas, bo } = await crowd.pair()
  const msg_id = adas.send(bo.user_id, 'forbidden word')
  assert.equal((await adas.acked(msg_id)).res_code, 5)
  adas.send(bo.user_id, 'forbidden word', { msg_id })
  assert.equal((await adas.acked(msg_id)).res_code, 5)
  assert.equal(calls(msg_id), 2)
  assert.equal(await adas.say(bo.user_id, 'a fine word'), 1, 'the refused one took no number')
})

test('a message that it changes is stored and delivered as changed; a repeat is answered without asking again', async () => {
  const { ada, adas, bo, bos } = await crowd.pair()
  const msg_id = adas.send(bo.user_id, 'rude word')
  const first = await adas.acked(msg_id)
  assert.equal(first.res_code, 0)
  assert.equal(Buffer.from((await bos.received(msg_id)).msg_data).toString(), '**** word')

  adas.send(bo.user_id, 'rude word', { msg_id })
  const again = await adas.acked(msg_id)
  assert.deepEqual([again.res_code, again.server_msg_id], [0, first.server_msg_id])
  assert.equal(Buffer.from((await bos.received(msg_id)).msg_data).toString(), '**** word')
  assert.equal(calls(msg_id), 1)

  adas.send(bo.user_id, 'another word', { msg_id })
  assert.equal(
    (await adas.acked(msg_id)).res_code,
    1,
    'what the sender sent is what a repeat is compared with',
  )
  const { body } = await system.api.get(`/v1/messages/${ada.user_id}/${msg_id}`)
  assert.match(JSON.stringify(body), /\*\*\*\* word/)
})

test('messages of a group are refused and changed as those of a pair', async () => {
  const { ada, adas, bo, bos } = await crowd.pair()
  const made = { owner_id: String(ada.user_id), members: [String(bo.user_id)], name: 'two' }
  const group = Number((await system.api.post('/v1/groups', made)).body.group_id)
  assert.equal((await adas.acked(adas.send(group, 'forbidden word'))).res_code, 5)
  const msg_id = adas.send(group, 'rude word')
  assert.equal((await adas.acked(msg_id)).res_code, 0)
  assert.equal(Buffer.from((await bos.received(msg_id)).msg_data).toString(), '**** word')
  adas.send(group, 'rude word', { msg_id })
  assert.equal((await adas.acked(msg_id)).res_code, 0)
  assert.equal(calls(msg_id), 1)
})

test('an app server is refused over REST as a client is over the wire', async () => {
  const { ada, bo } = await crowd.pair()
  const ids = { from_user_id: String(ada.user_id), to_user_id: String(bo.user_id) }
  const { status, body } = await system.api.post('/v1/messages', {
    ...ids,
    msg_id: 'r',
    msg_type: 1,
    text: 'forbidden here too',
  })
  assert.deepEqual([status, body.error.code], [403, 'MUTED'])
})

test('sixty at once are stored in the order of their sending, whichever answer comes first', async () => {
  const { adas, bo, bos } = await crowd.pair()
  const quick = hook.respond
  hook.respond = async (told, response) => {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 40))
    return quick(told, response)
  }
  const ids = Array.from({ length: 60 }, (_, at) => adas.send(bo.user_id, `number ${at}`))
  const numbers = await Promise.all(ids.map(async (id) => (await adas.acked(id)).server_msg_id))
  assert.deepEqual(
    numbers,
    ids.map((_, at) => at + 1),
  )
  await bos.received(ids.at(-1)!)
  hook.respond = quick
})

test('while it is silent a message is stored after its limit, and others are not held up longer', async () => {
  const { adas, bo } = await crowd.pair()
  const answering = hook.respond
  hook.respond = () => undefined
  const started = performance.now()
  await Promise.all([adas.say(bo.user_id, 'forbidden, but nobody says so'), adas.say(bo.user_id, 'fine')])
  assert.ok(performance.now() - started < 9_000)
  hook.respond = answering
})

test('the figures say what it answered and what it took', async () => {
  const exposition = async () => (await fetch(`http://127.0.0.1:${system.http}/metrics`)).text()
  await conditionHolds('events are taken', async () =>
    /webhook_events_total\{[^}]*kind="message"[^}]*outcome="taken"[^}]*\} [1-9]/.test(await exposition()),
  )
  const figures = await exposition()
  for (const verdict of ['allow', 'refuse', 'change', 'no-answer'])
    assert.match(figures, new RegExp(`webhook_before_send_total\\{[^}]*verdict="${verdict}"[^}]*\\} [1-9]`))
  assert.match(figures, /webhook_before_send_duration_ms_count [1-9]/)
  assert.match(figures, /webhook_events_duration_ms_count [1-9]/)
})

test('neither its secret nor its address is in the logs', () => {
  assert.match(system.logs(), /the webhook before sending gives no answer/)
  assert.doesNotMatch(system.logs(), new RegExp(`${hook.secret}|token-of-the-address`))
})
