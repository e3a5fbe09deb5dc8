/** The webhook before sending, against servers that refuse, change, dawdle, die and talk nonsense. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type BeforeSendSettings, createBeforeSend } from '../../../infra/webhooks/before-send.js'
import type { Draft } from '../../../workers/ports/webhooks.js'
import { type Respond, startHook } from '../../helpers/hook.js'
import { silentLog } from '../../helpers/log.js'

const draft = (msg_id = 'm', changes: Partial<Draft> = {}): Draft => ({
  from_user_id: 1001,
  to_session_id: 1002,
  conversation: 'c:1001:1002',
  msg_id,
  msg_type: 1,
  msg_data: Buffer.from('hello'),
  attach: null,
  mention: [],
  client_type: 2,
  time: 5,
  ...changes,
})

async function asking(t: TestContext, respond: Respond, changes: Partial<BeforeSendSettings> = {}) {
  const hook = await startHook()
  hook.respond = respond
  t.after(() => hook.close())
  const beforeSend = createBeforeSend({
    url: hook.url,
    secret: hook.secret,
    timeout_ms: 300,
    onFailure: 'allow',
    maxMessageBytes: 1_000,
    log: silentLog,
    ...changes,
  })
  return { hook, beforeSend }
}

const busy = { kind: 'refuse', res_code: 10 }
const allow = { kind: 'allow' }

const answers: readonly [title: string, respond: Respond, verdict: object][] = [
  ['nothing allows', (_, response) => void response.writeHead(204).end(), allow],
  ['allow allows', () => ({ action: 'allow' }), allow],
  ['refuse refuses as MUTED', () => ({ action: 'refuse' }), { kind: 'refuse', res_code: 5 }],
  ['refuse takes a code', () => ({ action: 'refuse', code: 'NOT_FRIEND' }), { kind: 'refuse', res_code: 8 }],
  [
    'change gives another text',
    () => ({ action: 'change', text: '…' }),
    { kind: 'change', msg_data: Buffer.from('…') },
  ],
  [
    'change gives other bytes',
    () => ({ action: 'change', data: '/wA=' }),
    { kind: 'change', msg_data: Buffer.from([255, 0]) },
  ],
  [
    'change takes the attachment away',
    () => ({ action: 'change', attach: null }),
    { kind: 'change', attach: null },
  ],
]

for (const [title, respond, verdict] of answers)
  test(`its answer: ${title}`, async (t) => {
    const { beforeSend } = await asking(t, respond, { onFailure: 'refuse' })
    assert.deepEqual(await beforeSend.judge([draft()]), [verdict])
  })

const failures: readonly [title: string, respond: Respond][] = [
  ['an error', (_, response) => void response.writeHead(500).end()],
  ['a redirect', (_, response) => void response.writeHead(302, { location: '/' }).end()],
  ['a refusal by status alone', (_, response) => void response.writeHead(403).end()],
  ['no JSON', (_, response) => void response.end('<html>')],
  ['JSON of another kind', () => ['allow']],
  ['an action that there is not', () => ({ action: 'delay' })],
  ['a code that clients do not know', () => ({ action: 'refuse', code: 'WHATEVER' })],
  ['base64 that is none', () => ({ action: 'change', data: '***' })],
  ['a message that is too large', () => ({ action: 'change', text: 'x'.repeat(1_001) })],
  ['10 MB', (_, response) => void response.end(Buffer.alloc(10_000_000, 0x20))],
  ['silence', () => undefined],
  ['a connection that is cut', (_, response) => void response.destroy()],
  ['half an answer', (_, response) => void response.write('{"action":')],
]

for (const [title, respond] of failures)
  test(`no answer: ${title}, and the message goes the way that the settings name`, async (t) => {
    const open = await asking(t, respond)
    assert.deepEqual(await open.beforeSend.judge([draft()]), [allow])
    const closed = await asking(t, respond, { onFailure: 'refuse' })
    assert.deepEqual(await closed.beforeSend.judge([draft()]), [busy])
  })

test('nobody listens, and the message goes the way that the settings name', async (t) => {
  const { hook, beforeSend } = await asking(t, () => undefined, { onFailure: 'refuse' })
  hook.close()
  assert.deepEqual(await beforeSend.judge([draft()]), [busy])
})

test('it is told who says what to whom, signed, with a key that is the same for the same message', async (t) => {
  const { hook, beforeSend } = await asking(t, () => ({ action: 'allow' }))
  await beforeSend.judge([
    draft('m', { attach: 'a', mention: [7] }),
    draft('n', { msg_data: Buffer.from([255]) }),
  ])
  const [first, second] = hook.told.sort((a, b) => a.key.localeCompare(b.key))
  assert.deepEqual(first, {
    key: '1001:m',
    signed: true,
    body: {
      from_user_id: '1001',
      to_session_id: '1002',
      conversation: 'c:1001:1002',
      msg_id: 'm',
      msg_type: 1,
      text: 'hello',
      attach: 'a',
      mention: ['7'],
      client_type: 2,
      time: 5,
    },
  })
  assert.equal(second!.body.data, '/w==')
})

test('many are asked about at once, but no more than the bound, and each gets its own verdict', async (t) => {
  const respond: Respond = async ({ body }) => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    return Number(body.msg_id) % 2 ? { action: 'refuse' } : { action: 'allow' }
  }
  const { hook, beforeSend } = await asking(t, respond, { timeout_ms: 5_000, atOnce: 8 })
  const verdicts = await beforeSend.judge(Array.from({ length: 40 }, (_, at) => draft(String(at))))
  assert.deepEqual(
    verdicts.map(({ kind }) => kind),
    Array.from({ length: 40 }, (_, at) => (at % 2 ? 'refuse' : 'allow')),
  )
  assert.equal(hook.mostAtOnce(), 8)
})

test('a slow one holds up a batch no longer than its limit, however many messages are in it', async (t) => {
  const { beforeSend } = await asking(t, () => undefined, { atOnce: 4, failuresBeforeRest: 1_000 })
  const started = Date.now()
  const verdicts = await beforeSend.judge(Array.from({ length: 500 }, (_, at) => draft(String(at))))
  assert.ok(Date.now() - started < 1_500, `${Date.now() - started} ms`)
  assert.ok(verdicts.every(({ kind }) => kind === 'allow'))
})

test('one that fails again and again is left alone for a while', async (t) => {
  const { hook, beforeSend } = await asking(t, (_, response) => void response.writeHead(500).end(), {
    failuresBeforeRest: 3,
    rest_ms: 60_000,
    atOnce: 1,
  })
  await beforeSend.judge(Array.from({ length: 10 }, (_, at) => draft(String(at))))
  assert.equal(hook.told.length, 3)
})
