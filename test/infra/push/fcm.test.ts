/** The FCM provider against a server that speaks Firebase's and Google's protocols over TLS. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createFcmProvider } from '../../../infra/push/fcm.js'
import type { ServiceAccount } from '../../../infra/push/google-tokens.js'
import type { Logger } from '../../../schemas/log.js'
import { type FcmAnswer, type FcmServer, fcmFault, startFcmServer } from '../../helpers/fcm-server.js'
import { silentLog } from '../../helpers/log.js'
import { notification } from '../../helpers/notification.js'

let server: FcmServer
let fcm: ReturnType<typeof createFcmProvider>

const settings = () => ({
  origin: server.origin,
  ca: server.ca,
  account: server.account as unknown as ServiceAccount,
  log: silentLog,
})
const send = (token: string, timeout_ms = 5_000, provider = fcm) =>
  provider.send(notification, { provider: 'fcm', token }, timeout_ms)
const last = () => server.received.at(-1)

before(async () => {
  server = await startFcmServer()
  fcm = createFcmProvider(settings())
})
after(async () => {
  fcm.close()
  await server.close()
})

test('a device gets title, text and count; what is repeated replaces what it shows', async () => {
  const answer = await send('t1')
  assert.equal(answer.kind, 'accepted')
  assert.match(answer.answer, /^projects\/chat-of-the-tests\/messages\/0:1$/)
  assert.deepEqual(last(), {
    token: 't1',
    notification: { title: 'Ann 👋', body: 'hello' },
    data: {
      notification_id: notification.notification_id,
      from_user_id: '2',
      session_id: '2',
      msg_id: 'm-1',
      server_msg_id: '9',
      badge: '3',
    },
    android: {
      collapse_key: 'c:1:2',
      priority: 'HIGH',
      ttl: '86400s',
      notification: { tag: 'c:1:2', notification_count: 3, default_sound: true },
    },
    apns: {
      headers: {
        'apns-id': notification.notification_id,
        'apns-collapse-id': 'c:1:2',
        'apns-expiration': '1700086400',
      },
      payload: { aps: { badge: 3, sound: 'default', 'thread-id': 'c:1:2' } },
    },
  })
})

const rows: readonly (readonly [answer: FcmAnswer, judged: object])[] = [
  [
    fcmFault(404, 'NOT_FOUND', 'UNREGISTERED'),
    { kind: 'refused', answer: '404 UNREGISTERED', tokenIsDead: true },
  ],
  [
    fcmFault(400, 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', 'message.token'),
    { kind: 'refused', answer: '400 INVALID_ARGUMENT', tokenIsDead: true },
  ],
  [
    fcmFault(400, 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', 'message.android.ttl'),
    { kind: 'refused', answer: '400 INVALID_ARGUMENT', tokenIsDead: false },
  ],
  [
    fcmFault(403, 'PERMISSION_DENIED', 'SENDER_ID_MISMATCH'),
    { kind: 'refused', answer: '403 SENDER_ID_MISMATCH', tokenIsDead: false },
  ],
  [fcmFault(403, 'PERMISSION_DENIED'), { kind: 'unknown', answer: '403 PERMISSION_DENIED' }],
  [
    fcmFault(429, 'RESOURCE_EXHAUSTED', 'QUOTA_EXCEEDED'),
    { kind: 'unknown', answer: '429 QUOTA_EXCEEDED', retryAfter_ms: 60_000 },
  ],
  [
    { ...fcmFault(429, 'RESOURCE_EXHAUSTED', 'QUOTA_EXCEEDED'), headers: { 'retry-after': '30' } },
    { kind: 'unknown', answer: '429 QUOTA_EXCEEDED', retryAfter_ms: 30_000 },
  ],
  [
    { ...fcmFault(503, 'UNAVAILABLE', 'UNAVAILABLE'), headers: { 'retry-after': '5' } },
    { kind: 'unknown', answer: '503 UNAVAILABLE', retryAfter_ms: 5_000 },
  ],
  [fcmFault(500, 'INTERNAL', 'INTERNAL'), { kind: 'unknown', answer: '500 INTERNAL' }],
  [
    fcmFault(401, 'UNAUTHENTICATED', 'THIRD_PARTY_AUTH_ERROR'),
    { kind: 'unknown', answer: '401 THIRD_PARTY_AUTH_ERROR' },
  ],
]
for (const [answer, judged] of rows)
  test(`${JSON.stringify(judged)}`, async () => {
    server.script('t2', answer, answer)
    assert.deepEqual(await send('t2'), judged)
    server.script('t2')
  })

test('one access token serves many at once, and one that is refused is replaced', async () => {
  const own = createFcmProvider(settings())
  const before = server.tokensGiven()
  await Promise.all(Array.from({ length: 20 }, (_, at) => send(`many${at}`, 5_000, own)))
  assert.equal(server.tokensGiven(), before + 1)
  server.revoke()
  assert.equal((await send('t3', 5_000, own)).kind, 'accepted')
  assert.equal(server.tokensGiven(), before + 2)
  own.close()
})

test('an access token is replaced before it ends', async () => {
  let now = Date.now()
  const clocked = createFcmProvider({ ...settings(), now: () => now })
  await send('t4', 5_000, clocked)
  const before = server.tokensGiven()
  now += 50 * 60_000
  await send('t4', 5_000, clocked)
  assert.equal(server.tokensGiven(), before)
  now += 6 * 60_000
  await send('t4', 5_000, clocked)
  assert.equal(server.tokensGiven(), before + 1)
  clocked.close()
})

test('a service account that Google does not know is unknown, and nothing of its key is told', async () => {
  const lines: string[] = []
  const keep = (...line: unknown[]) => void lines.push(JSON.stringify(line))
  const log: Logger = { ...silentLog, error: keep, warn: keep, info: keep }
  const account = { ...settings().account, client_email: 'stranger@example.com' }
  const stranger = createFcmProvider({ ...settings(), account, log })
  assert.deepEqual(await send('t5', 5_000, stranger), { kind: 'unknown', answer: 'OAuth 400 invalid_grant' })
  assert.doesNotMatch(lines.join(), /t5|hello|eyJ|PRIVATE/)
  stranger.close()
})

test('no answer in time is unknown', async () => {
  server.script('t6', 'silence')
  assert.deepEqual(await send('t6', 100), { kind: 'unknown', answer: 'TimeoutError' })
})
