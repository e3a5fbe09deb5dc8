/** Push tokens, what users want of notifications, and the ledger over REST, on the real PostgreSQL. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPushLedger } from '../../../infra/postgres/push-ledger.js'
import type { PushAsked, PushState } from '../../../workers/ports/push.js'
import { openRest, type Reply } from './rest.js'

const rest = await openRest()
const { call } = rest

/** @param field where it is given, the one that is at fault */
const assertFault = ({ status, body }: Reply, expected: number, code: string, field?: string) => {
  assert.deepEqual([status, body.error?.code], [expected, code])
  if (field !== undefined) assert.equal(body.error.field, field)
}

const put = (user: number, client_type: number, provider: string, token: string, device_id?: string) =>
  call('PUT', `/v1/users/${user}/push-tokens`, {
    body: { client_type, provider, token, ...(device_id ? { device_id } : {}) },
  })
const tokensOf = async (user: number) =>
  (await call('GET', `/v1/users/${user}/push-tokens`)).body.push_tokens.map((each: Record<string, unknown>) =>
    [each.client_type, each.device_id, each.provider, each.token_end].join(' '),
  )

test('push tokens are listed device by device, in the order in which they are tried, without the tokens', async () => {
  const bearer = await rest.register(10)
  await put(10, 2, 'fcm', 'second-token-of-ten')
  await put(10, 2, 'apns', 'a-token-of-ten-0001', 'tablet')
  await put(10, 1, 'huawei', 'short')
  await put(10, 1, 'xiaomi', 'the-next-in-order-9')
  assert.deepEqual(await tokensOf(10), ['1  huawei ', '1  xiaomi er-9', '2  fcm -ten', '2 tablet apns 0001'])
  assert.equal((await call('GET', '/v1/users/10/push-tokens', { bearer })).body.push_tokens.length, 4)
})

test('push tokens are forgotten by device, by provider, or all', async () => {
  await rest.register(11)
  const forget = async (query: string) => {
    assert.equal((await call('DELETE', `/v1/users/11/push-tokens${query}`)).status, 200)
    return (await tokensOf(11)).length
  }
  for (const [type, provider, device] of [
    [1, 'fcm', ''],
    [1, 'huawei', ''],
    [2, 'apns', 'tablet'],
    [2, 'apns', ''],
    [3, 'fcm', ''],
  ] as const)
    await put(11, type, provider, `${type}${provider}${device}`, device)
  assert.equal(await forget('?client_type=1&provider=huawei'), 4)
  assert.equal(await forget('?client_type=2&device_id=tablet'), 3)
  assert.equal(await forget('?provider=fcm'), 1)
  assert.equal(await forget(''), 0)
  assert.equal(await forget(''), 0)
  assertFault(
    await call('DELETE', '/v1/users/11/push-tokens?client_type=9'),
    400,
    'BAD_REQUEST',
    'client_type',
  )
  assertFault(await call('DELETE', '/v1/users/11/push-tokens?token=x'), 400, 'BAD_REQUEST')
  assertFault(await call('DELETE', '/v1/users/999/push-tokens'), 404, 'USER_NOT_FOUND')
})

test('an installation that changes hands is no longer reached as the former user', async () => {
  await rest.register(12)
  await rest.register(13)
  await put(12, 2, 'apns', 'token-of-one-phone-1')
  await put(12, 2, 'fcm', 'token-of-one-phone-1')
  await put(13, 2, 'apns', 'token-of-one-phone-1')
  assert.deepEqual(await tokensOf(12), ['2  fcm ne-1'])
  assert.deepEqual(await tokensOf(13), ['2  apns ne-1'])
  // on another device of the same user as well
  await put(13, 2, 'apns', 'token-of-one-phone-1', 'renamed')
  assert.deepEqual(await tokensOf(13), ['2 renamed apns ne-1'])
})

const settingsOf = (user: number) => `/v1/users/${user}/push-settings`

test('a user wants everything until something else is said; what is not said is as it was at first', async () => {
  const bearer = await rest.register(20)
  const all = { quiet_hours: null, mentions: true, preview: true }
  assert.deepEqual((await call('GET', settingsOf(20), { bearer })).body, all)
  const quiet_hours = { from: '22:30', to: '07:00', time_zone: 'Europe/Berlin' }
  const night = { quiet_hours, mentions: false, preview: false }
  assert.deepEqual((await call('PUT', settingsOf(20), { bearer, body: night })).body, night)
  assert.deepEqual((await call('GET', settingsOf(20))).body, night)
  assert.deepEqual((await call('PUT', settingsOf(20), { body: { preview: false } })).body, {
    ...all,
    preview: false,
  })
  assert.deepEqual((await call('GET', settingsOf(20))).body, { ...all, preview: false })
  assertFault(await call('GET', settingsOf(999)), 404, 'USER_NOT_FOUND')
  assertFault(await call('PUT', settingsOf(999), { body: {} }), 404, 'USER_NOT_FOUND')
  assertFault(await call('PUT', settingsOf(10), { bearer, body: {} }), 403, 'FORBIDDEN')
})

const berlin = { from: '22:00', to: '07:00', time_zone: 'Europe/Berlin' }
for (const body of [
  { quiet_hours: { ...berlin, from: '24:00' } },
  { quiet_hours: { ...berlin, from: '7:00' } },
  { quiet_hours: { ...berlin, to: '07:60' } },
  { quiet_hours: { ...berlin, to: 700 } },
  { quiet_hours: { ...berlin, time_zone: 'Mars/Olympus' } },
  { quiet_hours: { ...berlin, time_zone: '' } },
  { quiet_hours: { from: '22:00', to: '07:00' } },
  { quiet_hours: { ...berlin, days: [1] } },
  { quiet_hours: true },
  { mentions: 'yes' },
  { preview: null },
  { sound: 'off' },
])
  test(`settings that are none are refused: ${JSON.stringify(body)}`, async () => {
    assertFault(await call('PUT', settingsOf(20), { body }), 400, 'BAD_REQUEST')
  })

/** A message that was stored, by REST. */
async function say(from: number, to: object, msg_id: string): Promise<void> {
  const body = { from_user_id: String(from), ...to, msg_id, msg_type: 1, text: 'hello' }
  assert.equal((await call('POST', '/v1/messages', { body })).status, 201)
}

async function notified(asked: PushAsked, state: PushState, provider: string | null, answer: string) {
  const ledger = createPushLedger(rest.pool)
  await ledger.open([{ ...asked, reason: 'offline' }])
  await ledger.settle([{ ...asked, state, provider, answer, attempts: provider === null ? 0 : 1 }])
}

const keyOf = (reader_user_id: number, device: string, from_user_id: number, msg_id: string): PushAsked => ({
  reader_user_id,
  device: device === '' ? { client_type: 2 } : { client_type: 2, device_id: device },
  from_user_id,
  msg_id,
  conversation: `c:${Math.min(from_user_id, reader_user_id)}:${Math.max(from_user_id, reader_user_id)}`,
  server_msg_id: 1,
  round: 0,
})

interface Shown {
  readonly user_id: string
  readonly device_id?: string
  readonly status: string
  readonly reason?: string
}
const inShort = (deliveries: readonly Shown[]) =>
  deliveries.map(({ user_id, device_id, status, reason }) =>
    [user_id, device_id ?? '', status, reason ?? ''].join(' ').trim(),
  )

test('what became of a message is told for each device of its reader, with the reason', async () => {
  await rest.register(30)
  await rest.register(31)
  await say(30, { to_user_id: '31' }, 'm-30')
  const path = '/v1/messages/30/m-30/deliveries'
  assert.deepEqual(inShort((await call('GET', path)).body.deliveries), ['31  waiting never logged in'])

  const devices = ['acked', 'bare', 'dead', 'mute', 'out', 'shown', 'tired', 'trying', 'wait']
  for (const device of devices)
    await rest.pool.query(`INSERT INTO im_device VALUES (31, 2, '${device}', 0, ${device === 'out'})`)
  await put(31, 2, 'apns', 'a token that waits', 'wait')
  await rest.pool.query(`UPDATE im_message_recv SET acked_by = '{2:acked}' WHERE msg_to = 31`)
  await notified(keyOf(31, 'shown', 30, 'm-30'), 'sent', 'apns', '200')
  await notified(keyOf(31, 'dead', 30, 'm-30'), 'refused', 'apns', '410 Unregistered')
  await notified(keyOf(31, 'tired', 30, 'm-30'), 'failed', 'apns', '503 ServiceUnavailable')
  await notified(keyOf(31, 'trying', 30, 'm-30'), 'pending', 'fcm', '429 QUOTA_EXCEEDED')
  await notified(keyOf(31, 'mute', 30, 'm-30'), 'suppressed', null, 'muted')
  const { body } = await call('GET', path)
  assert.deepEqual([body.session_id, body.session_type, body.server_msg_id], ['31', 1, '1'])
  assert.deepEqual(inShort(body.deliveries), [
    '31 acked acked',
    '31 bare waiting no push token',
    '31 dead not_notified 410 Unregistered',
    '31 mute not_notified muted',
    '31 out waiting logged out',
    '31 shown notified',
    '31 tired not_notified 503 ServiceUnavailable',
    '31 trying notifying 429 QUOTA_EXCEEDED',
    '31 wait waiting not acked',
  ])
  const { notification } = body.deliveries[5]
  assert.deepEqual(
    [
      notification.state,
      notification.trigger,
      notification.provider,
      notification.answer,
      notification.attempts,
    ],
    ['sent', 'offline', 'apns', '200', 1],
  )

  const read = { server_msg_id: '1' }
  assert.equal((await call('POST', '/v1/users/31/sessions/30:read', { body: read })).status, 200)
  const after = inShort((await call('GET', path)).body.deliveries)
  assert.deepEqual(after.slice(0, 2), ['31 acked acked', '31 bare read'])
})

test("a group's message is told reader by reader, page by page", async () => {
  const members = [41, 42, 43, 44]
  for (const user of [40, ...members]) await rest.register(user)
  const { body: group } = await call('POST', '/v1/groups', {
    body: { owner_id: '40', group_name: 'g', members: members.map(String) },
  })
  const to = { group_id: group.group?.group_id ?? group.group_id }
  await say(40, to, 'm-40')
  const seen: string[] = []
  let cursor = ''
  for (let page = 0; page < 3 && (page === 0 || cursor !== ''); page++) {
    const { body } = await call(
      'GET',
      `/v1/messages/40/m-40/deliveries?limit=3${cursor && `&cursor=${cursor}`}`,
    )
    assert.equal(body.session_type, 2)
    seen.push(...inShort(body.deliveries))
    cursor = body.cursor ?? ''
  }
  assert.deepEqual(
    seen,
    members.map((user) => `${user}  waiting never logged in`),
  )
  assert.equal(cursor, '')
})

test('notifications of a user come newest first, page by page', async () => {
  await rest.register(50)
  for (let n = 1; n <= 5; n++) await notified(keyOf(50, 'p', 51, `m${n}`), 'sent', 'log', 'logged')
  await rest.pool.query(`UPDATE im_push_ledger SET created = 7 WHERE reader_id = 50`)
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await call('GET', `/v1/users/50/notifications?limit=2${cursor && `&cursor=${cursor}`}`)
    seen.push(...body.notifications.map((each: { msg_id: string }) => each.msg_id))
    cursor = body.cursor ?? ''
  } while (cursor !== '')
  assert.deepEqual([...seen].sort(), ['m1', 'm2', 'm3', 'm4', 'm5'])
  const [first] = (await call('GET', '/v1/users/50/notifications?limit=1')).body.notifications
  assert.deepEqual(
    [first.from_user_id, first.device_id, first.conversation, first.server_msg_id, first.state, first.answer],
    ['51', 'p', 'c:50:51', '1', 'sent', 'logged'],
  )
})

test('what is not there, is no cursor, or is not for clients is refused', async () => {
  const bearer = await rest.register(60)
  assertFault(await call('GET', '/v1/messages/60/none/deliveries'), 404, 'MESSAGE_NOT_FOUND')
  assertFault(await call('GET', '/v1/messages/999/none/deliveries'), 404, 'USER_NOT_FOUND')
  assertFault(await call('GET', '/v1/users/999/notifications'), 404, 'USER_NOT_FOUND')
  for (const cursor of ['x', 'AAAA', Buffer.from('7.not-an-id').toString('base64url')]) {
    assertFault(
      await call('GET', `/v1/users/60/notifications?cursor=${cursor}`),
      400,
      'BAD_REQUEST',
      'cursor',
    )
    assertFault(
      await call('GET', `/v1/messages/60/m/deliveries?cursor=${cursor}`),
      400,
      'BAD_REQUEST',
      'cursor',
    )
  }
  assertFault(await call('GET', '/v1/users/60/notifications', { bearer }), 403, 'FORBIDDEN')
  assertFault(await call('GET', '/v1/messages/60/m/deliveries', { bearer }), 403, 'FORBIDDEN')
})
