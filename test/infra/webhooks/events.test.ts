/** Events posted to webhooks that take them, refuse, dawdle, die and talk nonsense. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createEventSink, type EventSinkSettings } from '../../../infra/webhooks/events.js'
import { type Hook, type Respond, startHook } from '../../helpers/hook.js'
import { silentLog } from '../../helpers/log.js'
import { conditionHolds } from '../../helpers/wait.js'

const told = (event_id: string, kind = 'message') => ({
  event_id,
  kind,
  lane: 'message.stored|c:1:2',
  position: 1,
  body: JSON.stringify({ event_id, event: 'message.stored', time: 1, data: { text: 'grüße 👋' } }),
})

async function webhook(t: TestContext, respond?: Respond): Promise<Hook> {
  const hook = await startHook()
  if (respond) hook.respond = respond
  t.after(() => hook.close())
  return hook
}

const sinkTo = (hook: Hook, changes: Partial<EventSinkSettings> = {}) =>
  createEventSink({
    addressFor: () => hook.url,
    secret: hook.secret,
    timeout_ms: 10_000,
    log: silentLog,
    ...changes,
  })

const answers: readonly [title: string, respond: Respond, reason: string | undefined][] = [
  ['200', (_, response) => void response.end(), undefined],
  ['204', (_, response) => void response.writeHead(204).end(), undefined],
  ['200 with a page', (_, response) => void response.end('<html>'), undefined],
  ['200 with 10 MB', (_, response) => void response.end(Buffer.alloc(10_000_000)), undefined],
  ['500', (_, response) => void response.writeHead(500).end('no'), 'HTTP 500'],
  ['401', (_, response) => void response.writeHead(401).end(), 'HTTP 401'],
  ['a redirect', (_, response) => void response.writeHead(308, { location: '/' }).end(), 'HTTP 308'],
  ['nothing', () => undefined, 'TimeoutError'],
  ['a cut', (_, response) => void response.destroy(), 'UND_ERR_SOCKET'],
]

for (const [title, respond, reason] of answers)
  test(`what is answered with ${title} is ${reason === undefined ? '' : 'not '}taken`, async (t) => {
    const hook = await webhook(t, respond)
    const seen: string[] = []
    const sink = sinkTo(hook, {
      timeout_ms: reason === 'TimeoutError' ? 300 : 10_000,
      observe: (_, outcome) => void seen.push(outcome),
    })
    const outcome = reason === undefined ? taken : { outcome: 'not-taken', reason }
    assert.deepEqual(await sink.post(told('e')), outcome)
    assert.deepEqual(seen, [reason === undefined ? 'taken' : 'not-taken'])
    assert.deepEqual(
      hook.told.map(({ key, signed }) => [key, signed]),
      [['e', true]],
      'once, signed, under its id',
    )
  })

test('a redirect leads us nowhere', async (t) => {
  const inside = await webhook(t)
  const hook = await webhook(t, (_, response) => void response.writeHead(307, { location: inside.url }).end())
  assert.deepEqual(await sinkTo(hook).post(told('e')), { outcome: 'not-taken', reason: 'HTTP 307' })
  assert.equal(inside.told.length, 0)
})

const taken = { outcome: 'taken' }
const notTaken = { outcome: 'not-taken', reason: 'HTTP 500' }
const away = { outcome: 'away', reason: 'not called: its address takes nothing at present' }
const broken: Respond = (_, response) => void response.writeHead(500).end()

test('a dead address is left alone for a while, and keeps us from no other', async (t) => {
  const dead = await webhook(t, broken)
  const alive = await webhook(t)
  const addressFor = (kind: string) => (kind === 'presence' ? dead.url : alive.url)
  const rest_ms = { first: 60_000, most: 60_000 }
  const sink = sinkTo(alive, { addressFor, failuresBeforeRest: 2, rest_ms })
  const outcomes = []
  for (let at = 0; at < 4; at++) outcomes.push(await sink.post(told(`p${at}`, 'presence')))
  assert.deepEqual(outcomes, [notTaken, notTaken, away, away])
  assert.equal(dead.told.length, 2)
  assert.deepEqual([sink.isAway('presence'), sink.isAway('message')], [true, false])
  assert.deepEqual(await sink.post(told('m')), taken)
})

test('after its rest one event is posted, whoever else would; once it is taken all are posted again', async (t) => {
  const hook = await webhook(t, broken)
  const sink = sinkTo(hook, { failuresBeforeRest: 2, rest_ms: { first: 100, most: 200 } })
  await Promise.all([sink.post(told('a')), sink.post(told('b'))])
  await conditionHolds('its rest is over', () => !sink.isAway('message'))
  const tries = await Promise.all(['c', 'd', 'e'].map((id) => sink.post(told(id))))
  assert.deepEqual(tries, [notTaken, away, away])
  hook.respond = (_, response) => void response.end()
  await conditionHolds('its rest is over', () => !sink.isAway('message'))
  assert.deepEqual(await sink.post(told('c')), taken)
  assert.deepEqual(await Promise.all(['d', 'e'].map((id) => sink.post(told(id)))), [taken, taken])
  assert.equal(hook.told.length, 6)
})

test('what is told to nobody counts as taken', async (t) => {
  const hook = await webhook(t)
  const sink = sinkTo(hook, { addressFor: () => undefined })
  assert.deepEqual(await sink.post(told('e')), taken)
  assert.equal(hook.told.length, 0)
})

test('a log line about a failure has neither the address nor the secret in it', async (t) => {
  const lines: unknown[] = []
  const hook = await webhook(t, (_, response) => void response.destroy())
  const log = { ...silentLog, warn: (...line: unknown[]) => void lines.push(line) }
  await sinkTo(hook, { log, addressFor: () => `${hook.url}token-of-the-address` }).post(told('e'))
  assert.equal(lines.length, 1)
  assert.doesNotMatch(JSON.stringify(lines), /token-of-the-address|secret-of-the-hook/)
})
