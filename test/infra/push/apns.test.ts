/** The APNs provider against a server that speaks Apple's protocol over TLS. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createApnsProvider } from '../../../infra/push/apns.js'
import type { Logger } from '../../../schemas/log.js'
import { type ApnsDeed, type ApnsServer, startApnsServer } from '../../helpers/apns-server.js'
import { silentLog } from '../../helpers/log.js'
import { notification } from '../../helpers/notification.js'

let server: ApnsServer
let apns: ReturnType<typeof createApnsProvider>

const settings = () => ({ ...server, log: silentLog })
const send = (token: string, timeout_ms = 5_000, provider = apns) =>
  provider.send(notification, { provider: 'apns', token }, timeout_ms)
const last = () => server.received.at(-1)!

before(async () => {
  server = await startApnsServer()
  apns = createApnsProvider(settings())
})
after(async () => {
  apns.close()
  await server.close()
})

test('a device gets title, text, badge and thread; the id, the collapse id and the end are in the headers', async () => {
  assert.deepEqual(await send('aa01'), { kind: 'accepted', answer: '200' })
  const { jwt: _, connection: __, deed: ___, ...seen } = last()
  assert.deepEqual(seen, {
    token: 'aa01',
    apnsId: notification.notification_id,
    collapseId: 'c:1:2',
    expiration: 1_700_086_400,
    payload: {
      aps: {
        alert: { title: 'Ann 👋', body: 'hello' },
        badge: 3,
        sound: 'default',
        'thread-id': 'c:1:2',
      },
      from_user_id: '2',
      session_id: '2',
      msg_id: 'm-1',
      server_msg_id: '9',
    },
  })
})

const rows: readonly (readonly [deed: ApnsDeed, answer: object])[] = [
  [
    { status: 400, reason: 'BadDeviceToken' },
    { kind: 'refused', answer: '400 BadDeviceToken', tokenIsDead: true },
  ],
  [
    { status: 410, reason: 'Unregistered', timestamp: 1_699_000_000_000 },
    { kind: 'refused', answer: '410 Unregistered', tokenIsDead: true, deadSince: 1_699_000_000_000 },
  ],
  [
    { status: 410, reason: 'ExpiredToken' },
    { kind: 'refused', answer: '410 ExpiredToken', tokenIsDead: true },
  ],
  [
    { status: 400, reason: 'DeviceTokenNotForTopic' },
    { kind: 'refused', answer: '400 DeviceTokenNotForTopic', tokenIsDead: false },
  ],
  [
    { status: 413, reason: 'PayloadTooLarge' },
    { kind: 'refused', answer: '413 PayloadTooLarge', tokenIsDead: false },
  ],
  [
    { status: 429, reason: 'TooManyRequests', headers: { 'retry-after': '7' } },
    { kind: 'unknown', answer: '429 TooManyRequests', retryAfter_ms: 7_000 },
  ],
  [
    { status: 500, reason: 'InternalServerError' },
    { kind: 'unknown', answer: '500 InternalServerError' },
  ],
  [
    { status: 503, reason: 'ServiceUnavailable', headers: { 'retry-after': '120' } },
    { kind: 'unknown', answer: '503 ServiceUnavailable', retryAfter_ms: 120_000 },
  ],
  [
    { status: 403, reason: 'InvalidProviderToken' },
    { kind: 'unknown', answer: '403 InvalidProviderToken' },
  ],
  [
    { status: 400, reason: 'not a word of theirs' },
    { kind: 'refused', answer: '400', tokenIsDead: false },
  ],
]
for (const [deed, answer] of rows)
  test(`${JSON.stringify(deed)} is ${JSON.stringify(answer)}`, async () => {
    server.script('aa02', deed)
    assert.deepEqual(await send('aa02'), answer)
  })

test('no answer in time, a cut connection and a closed port are unknown; the next one is served', async () => {
  server.script('aa03', 'silence', 'cut')
  assert.deepEqual(await send('aa03', 100), { kind: 'unknown', answer: 'TimeoutError' })
  assert.equal((await send('aa03')).kind, 'unknown')
  assert.equal((await send('aa03')).kind, 'accepted')
  const nobody = createApnsProvider({ ...settings(), origin: 'https://localhost:1' })
  assert.deepEqual(await send('aa03', 5_000, nobody), { kind: 'unknown', answer: 'ECONNREFUSED' })
})

test('what is repeated has the same apns-id and collapse id', async () => {
  server.script('aa04', 'cut')
  await send('aa04')
  await send('aa04')
  const [first, second] = server.received.filter(({ token }) => token === 'aa04')
  assert.deepEqual([first?.apnsId, first?.collapseId], [second?.apnsId, second?.collapseId])
})

test('one connection carries many at once; after GOAWAY the next one is opened', async () => {
  const many = await Promise.all(Array.from({ length: 50 }, (_, at) => send(`bb${at}`)))
  assert.ok(many.every(({ kind }) => kind === 'accepted'))
  const { connection } = last()
  assert.ok(server.received.slice(-50).every((each) => each.connection === connection))
  server.script('aa05', 'goaway')
  assert.equal((await send('aa05')).kind, 'accepted')
  assert.equal((await send('aa06')).kind, 'accepted')
  assert.notEqual(last().connection, connection)
})

test('the provider token is kept, renewed before its hour is over, and not more often than Apple allows', async () => {
  let now = Date.now()
  const clocked = createApnsProvider({ ...settings(), now: () => now })
  const jwtAfter = async (minutes: number) => {
    now += minutes * 60_000
    await send('aa07', 5_000, clocked)
    return last().jwt
  }
  const first = await jwtAfter(0)
  assert.equal(await jwtAfter(40), first)
  assert.notEqual(await jwtAfter(6), first)
  clocked.close()
})

test('a provider token that Apple calls expired is replaced at once where it is old enough', async () => {
  let behind_minutes = 61
  const slow = createApnsProvider({ ...settings(), now: () => Date.now() - behind_minutes * 60_000 })
  assert.deepEqual(await send('aa08', 5_000, slow), { kind: 'unknown', answer: '403 ExpiredProviderToken' })
  behind_minutes -= 30
  assert.equal((await send('aa08', 5_000, slow)).kind, 'accepted')
  slow.close()
})

test('a key that Apple does not know is unknown, and said in the log without key or token', async () => {
  const lines: string[] = []
  const keep = (...line: unknown[]) => void lines.push(JSON.stringify(line))
  const log: Logger = { ...silentLog, error: keep, warn: keep, info: keep }
  const stranger = createApnsProvider({ ...settings(), keyId: 'UNKNOWN123', log })
  assert.deepEqual(await send('aa09', 5_000, stranger), {
    kind: 'unknown',
    answer: '403 InvalidProviderToken',
  })
  assert.equal(lines.length, 1)
  assert.doesNotMatch(lines.join(), /aa09|hello|eyJ|PRIVATE/)
  stranger.close()
})

test('a text that is too long for Apple is cut', async () => {
  const long = { ...notification, body: '👨‍👩‍👧‍👦'.repeat(400) }
  const answer = await apns.send(long, { provider: 'apns', token: 'aa10' }, 5_000)
  assert.equal(answer.kind, 'accepted')
  assert.match(last().payload.aps.alert.body, /^👨.+…$/su)
})

test('a certificate that nobody vouches for is not trusted', async () => {
  const { ca: _, ...rest } = settings()
  const trusting = createApnsProvider(rest)
  const answer = await send('aa11', 5_000, trusting)
  assert.equal(answer.kind, 'unknown')
  assert.match(answer.answer, /SELF_SIGNED|CERT/)
  trusting.close()
})
