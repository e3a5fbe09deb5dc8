/** The webhook before sending, against servers that refuse, change, dawdle, die and talk nonsense. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type BeforeSendSettings, createBeforeSend } from '../../../infra/webhooks/before-send.js'
import { draft } from '../../helpers/draft.js'
import { type Respond, startHook } from '../../helpers/hook.js'
import { silentLog } from '../../helpers/log.js'

async function asking(t: TestContext, respond: Respond, changes: Partial<BeforeSendSettings> = {}) {
  const hook = await startHook()
  hook.respond = respond
  t.after(() => hook.close())
  const beforeSend = createBeforeSend({
    url: hook.url,
    secret: hook.secret,
    timeout_ms: 10_000,
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
    'change in JSON by any of its names',
    (_, response) =>
      void response
        .writeHead(201, { 'content-type': 'application/problem+json; charset=utf-8' })
        .end('{"action":"change","text":""}'),
    { kind: 'change', msg_data: Buffer.alloc(0) },
  ],
  [
    'change up to the largest message',
    () => ({ action: 'change', text: 'x'.repeat(1_000), attach: 'y'.repeat(1_024) }),
    { kind: 'change', msg_data: Buffer.from('x'.repeat(1_000)), attach: 'y'.repeat(1_024) },
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

const json = { 'content-type': 'application/json' }
const refusal = '{"action":"refuse"}'

/** Longer than any answer takes here, but those that never come. */
const silent_ms = 300

const failures: readonly [title: string, respond: Respond, timeout_ms?: number][] = [
  ['an error', (_, response) => void response.writeHead(500).end()],
  ['an error with a verdict in it', (_, response) => void response.writeHead(500, json).end(refusal)],
  ['a redirect', (_, response) => void response.writeHead(302, { location: '/' }).end()],
  ['a refusal by status alone', (_, response) => void response.writeHead(403).end()],
  ['no JSON', (_, response) => void response.end('<html>')],
  ['no UTF-8', (_, response) => void response.end(Buffer.from(refusal, 'utf16le'))],
  [
    'an error page with status 200',
    (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
  ],
  [
    'a verdict that calls itself a page',
    (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end(refusal),
  ],
  ['JSON of another kind', () => ['allow']],
  ['no action', () => ({})],
  ['an action that there is not', () => ({ action: 'delay' })],
  ['a field that there is not', () => ({ action: 'change', text: 'x', to_session_id: '7' })],
  ['another type of message', () => ({ action: 'change', text: 'x', msg_type: 2 })],
  ['a code that clients do not know', () => ({ action: 'refuse', code: 'WHATEVER' })],
  ['a text that is a number', () => ({ action: 'change', text: 5 })],
  ['a text that is null', () => ({ action: 'change', text: null })],
  ['a text and data', () => ({ action: 'change', text: 'x', data: 'eA==' })],
  ['base64 that is none', () => ({ action: 'change', data: '***' })],
  ['a text that is too large', () => ({ action: 'change', text: 'x'.repeat(1_001) })],
  ['a text that is too large in bytes', () => ({ action: 'change', text: '👋'.repeat(251) })],
  ['data that are too large', () => ({ action: 'change', data: Buffer.alloc(1_001).toString('base64') })],
  ['an attachment that is too large', () => ({ action: 'change', attach: 'x'.repeat(1_025) })],
  ['10 MB', (_, response) => void response.end(Buffer.alloc(10_000_000, 0x20))],
  ['10 MB of JSON', (_, response) => void response.writeHead(200, json).end(`"${'x'.repeat(10_000_000)}"`)],
  ['silence', () => undefined, silent_ms],
  ['a connection that is cut', (_, response) => void response.destroy()],
  ['half an answer', (_, response) => void response.write('{"action":'), silent_ms],
]

for (const [title, respond, timeout_ms = 10_000] of failures)
  test(`no answer: ${title}, and the message goes the way that the settings name`, async (t) => {
    const open = await asking(t, respond, { timeout_ms })
    assert.deepEqual(await open.beforeSend.judge([draft()]), [allow])
    const closed = await asking(t, respond, { onFailure: 'refuse', timeout_ms })
    assert.deepEqual(await closed.beforeSend.judge([draft()]), [busy])
  })

test('a redirect leads us nowhere: the address is that of the settings and no other', async (t) => {
  const inside = await startHook()
  t.after(() => inside.close())
  const { beforeSend } = await asking(
    t,
    (_, response) => void response.writeHead(307, { location: inside.url }).end(),
  )
  assert.deepEqual(await beforeSend.judge([draft('m', { msg_data: Buffer.from(inside.url) })]), [allow])
  assert.equal(inside.told.length, 0)
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
    traceparent: undefined,
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
  const { beforeSend } = await asking(t, () => undefined, {
    timeout_ms: silent_ms,
    atOnce: 4,
    failuresBeforeRest: 1_000,
  })
  const started = Date.now()
  const verdicts = await beforeSend.judge(Array.from({ length: 500 }, (_, at) => draft(String(at))))
  assert.ok(Date.now() - started < 5_000, `${Date.now() - started} ms`)
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
