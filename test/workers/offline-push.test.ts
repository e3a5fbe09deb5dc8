/** Who is notified, of what, and how often: spec 2, "Offline push". */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coffeechat } from '../../proto/index.js'
import { isQuiet } from '../../workers/kit/push-rules.js'
import {
  offlinePush10s,
  offlinePush60s,
  offlinePush600s,
  type PushPorts,
} from '../../workers/offline-push.worker.js'
import type { PushSettings } from '../../workers/ports/push.js'
import { around, handle, hour_ms, run, trigger, wantsAll } from './push-world.js'

const { PUSH_REASON_UNACKED } = coffeechat.event.PushReason

test("a notification has the sender's name, a preview, the exact badge and the conversation", async () => {
  const { ports, shown } = around()
  await handle([trigger('m')], ports)
  assert.deepEqual(shown, [
    {
      notification_id: 'id of m on 2',
      user_id: 1,
      device: { client_type: 2 },
      title: 'Bob',
      body: 'see you',
      badge: 4,
      collapse_key: 'c:1:2',
      from_user_id: 2,
      session_id: 2,
      msg_id: 'm',
      server_msg_id: 7,
      time: 99,
      expires: 99 + 24 * hour_ms,
    },
  ])
})

test("a group message's notification has the group's name, and says who wrote what", async () => {
  const group_id = 2 ** 48
  const conversation = `g:${group_id}`
  const ref = { ...trigger('m').ref, to_session_id: group_id, session_type: 2, conversation }
  const { ports, shown } = around()
  await handle([trigger('m', { ref })], ports)
  const { title, body, session_id, collapse_key, from_user_id } = shown[0]!
  assert.deepEqual(
    [title, body, session_id, collapse_key, from_user_id],
    [`group ${group_id}`, 'Bob: see you', group_id, conversation, 2],
  )
})

test('without previews the text is not shown', async () => {
  const { ports, shown } = around({ preview: false })
  await handle([trigger('m')], ports)
  assert.equal(shown[0]?.body, 'New message')
})

test('a message is notified once per device, however often and why it is triggered', async () => {
  const { ports, shown } = around()
  const tablet = { device: { client_type: 2, device_id: 'tablet' } }
  await handle([trigger('m'), trigger('m', { reason: PUSH_REASON_UNACKED }), trigger('m', tablet)], ports)
  await handle([trigger('m'), trigger('m', tablet)], ports)
  assert.deepEqual(
    shown.map((each) => each.notification_id),
    ['id of m on 2', 'id of m on 2:tablet'],
  )
})

test('the ledger knows of a notification before its provider does', async () => {
  const { ports, told } = around()
  await handle([trigger('m')], ports)
  assert.deepEqual(told, ['open 1', 'notify id of m on 2', 'settle 1'])
})

test('what a worker left pending is notified again with the same id', async () => {
  const { ports, shown } = around()
  const dying: PushPorts = {
    ...ports,
    pushLedger: { ...ports.pushLedger, settle: () => Promise.reject(new Error('killed')) },
  }
  await assert.rejects(handle([trigger('m')], dying), /killed/)
  await handle([trigger('m')], ports)
  assert.deepEqual(
    shown.map((each) => each.notification_id),
    ['id of m on 2', 'id of m on 2'],
  )
})

const inBerlin = { from: 22 * 60, to: 7 * 60, time_zone: 'Europe/Berlin' }
const atNight = Date.parse('2026-07-01T23:30:00Z') // 01:30 in Berlin
const wants = (more: Partial<PushSettings>) => ({ settings: { ...wantsAll, ...more } })

for (const [why, world] of [
  ['deactivated', { target: { active: false } }],
  ['logged out', { target: { logged_out: true } }],
  ['message is gone', { gone: true }],
  ['a change of the group', { msg_type: 6, mention: [1] }],
  ['read', { read: true }],
  ['acked', { acked_by: ['2'] }],
  ['acked', { pending: true }],
  ['too old', { now: 99 + 24 * hour_ms }],
  ['a newer one was shown', { target: { superseded: true } }],
  ['muted', { target: { muted: true } }],
  ['muted', { target: { muted: true }, mention: [3] }],
  ['muted', { target: { muted: true, ...wants({ mentions: false }) }, mention: [1] }],
  ['do not disturb', { target: wants({ quiet: { from: 0, to: 0, time_zone: 'UTC' } }) }],
  ['too many in a minute', { rate: 0 }],
] as const)
  test(`nobody is notified where: ${why} ${JSON.stringify(world)}`, async () => {
    const { ports, shown, outcomes } = around(world)
    await handle([trigger('m')], ports)
    assert.deepEqual(shown, [])
    assert.deepEqual(outcomes(), [['m on 2', 'suppressed', why]])
  })

for (const world of [
  { target: { muted: true }, mention: [3, 1] },
  { target: wants({ quiet: { from: 0, to: 0, time_zone: 'UTC' } }), mention: [1] },
])
  test(`who is mentioned is notified all the same: ${JSON.stringify(world)}`, async () => {
    const { ports, shown } = around(world)
    await handle([trigger('m')], ports)
    assert.equal(shown.length, 1)
  })

for (const [hours, time, quiet] of [
  [inBerlin, atNight, true],
  [inBerlin, Date.parse('2026-07-01T20:00:00Z'), true], // 22:00: the first minute
  [inBerlin, Date.parse('2026-07-01T19:59:59Z'), false],
  [inBerlin, Date.parse('2026-07-02T04:59:59Z'), true], // 06:59
  [inBerlin, Date.parse('2026-07-02T05:00:00Z'), false], // 07:00 is no part of it
  [inBerlin, Date.parse('2026-01-02T05:00:00Z'), true], // in winter it is 06:00
  [{ ...inBerlin, from: 60, to: 120 }, Date.parse('2026-07-01T23:30:00Z'), true],
  [{ ...inBerlin, from: 60, to: 120 }, Date.parse('2026-07-02T00:00:00Z'), false],
  [{ from: 1_320, to: 420, time_zone: 'Asia/Kolkata' }, Date.parse('2026-07-01T16:30:00Z'), true], // 22:00
  [{ from: 5, to: 5, time_zone: 'UTC' }, atNight, true],
] as const)
  test(`${new Date(time).toISOString()} is ${quiet ? '' : 'not '}in ${JSON.stringify(hours)}`, () => {
    assert.equal(isQuiet(hours, time), quiet)
  })

test('who wants no preview is shown none', async () => {
  const { ports, shown } = around({ target: wants({ preview: false }) })
  await handle([trigger('m')], ports)
  assert.equal(shown[0]?.body, 'New message')
})

test('a device is shown so many in a minute, each message counted once', async () => {
  const { ports, shown, outcomes } = around({ rate: 2 })
  await handle(
    ['a', 'b', 'c'].map((msg_id) => trigger(msg_id)),
    ports,
  )
  await handle([trigger('a')], ports)
  assert.deepEqual(
    shown.map(({ msg_id }) => msg_id),
    ['a', 'b'],
  )
  assert.deepEqual(outcomes().at(-1), ['c on 2', 'suppressed', 'too many in a minute'])
})

test('an ack of another device silences nobody', async () => {
  const { ports, shown } = around({ acked_by: ['6', '2:tablet'] })
  await handle([trigger('m')], ports)
  assert.equal(shown.length, 1)
})

test("one's own message is no news, and leaves no row", async () => {
  const { ports, told } = around()
  await handle([trigger('m', { reader_user_id: 2 })], ports)
  assert.deepEqual(told, [])
})

test('what every provider refused is refused, and what has no provider is suppressed', async () => {
  const refused = around({ notified: { outcome: 'refused', answer: '400 BadTopic' } })
  assert.deepEqual(await handle([trigger('m')], refused.ports), { emitted: [], givenUp: [] })
  assert.deepEqual(refused.outcomes(), [['m on 2', 'refused', '400 BadTopic']])
  const without = around({
    notified: { outcome: 'refused', provider: null, answer: 'no push token', attempts: 0 },
  })
  await handle([trigger('m')], without.ports)
  assert.deepEqual(without.outcomes(), [['m on 2', 'suppressed', 'no push token']])
})

const silence = { outcome: 'unknown', provider: 'apns', answer: '503 ServiceUnavailable' } as const
const again = (round: number, not_before?: number) => ({
  triggered: trigger('m'),
  round,
  ...(not_before === undefined ? {} : { not_before }),
})

test('what got no answer is tried again from topic to topic, with the same id, where it was left; then given up', async () => {
  const { ports, shown, from, outcomes } = around({ notified: silence })
  assert.deepEqual(await handle([trigger('m')], ports), {
    emitted: [{ topic: 'push.retry.10s', event: again(1) }],
    givenUp: [],
  })
  assert.deepEqual(outcomes(), [['m on 2', 'pending', '503 ServiceUnavailable']])
  assert.deepEqual((await run(offlinePush10s, [again(1)], ports)).emitted, [
    { topic: 'push.retry.60s', event: again(2) },
  ])
  assert.deepEqual((await run(offlinePush60s, [again(2)], ports)).emitted, [
    { topic: 'push.retry.600s', event: again(3) },
  ])
  assert.deepEqual((await run(offlinePush600s, [again(3)], ports)).emitted, [
    { topic: 'push.retry.600s', event: again(4) },
  ])
  assert.deepEqual(await run(offlinePush600s, [again(4)], ports), {
    emitted: [],
    givenUp: ['given up: 503 ServiceUnavailable'],
  })
  assert.deepEqual(outcomes(), [['m on 2', 'failed', '503 ServiceUnavailable']])
  assert.deepEqual(new Set(shown.map((each) => each.notification_id)), new Set(['id of m on 2']))
  assert.deepEqual(from, [null, 'apns', 'apns', 'apns', 'apns'])
})

for (const [retryAfter_ms, topic] of [
  [2_000, 'push.retry.10s'],
  [10_001, 'push.retry.60s'],
  [600_000, 'push.retry.600s'],
  [7_200_000, 'push.retry.600s'],
] as const)
  test(`a provider that asks for ${retryAfter_ms} ms is asked again from ${topic}, not before`, async () => {
    const { ports } = around({ notified: { ...silence, retryAfter_ms } })
    const { emitted } = await handle([trigger('m')], ports)
    assert.deepEqual(emitted, [{ topic, event: again(1, 100 + retryAfter_ms) }])
  })

test('what falls due before the provider may be asked waits on, in the same round', async () => {
  const { ports, shown } = around()
  assert.deepEqual((await run(offlinePush600s, [again(3, 700_000)], ports)).emitted, [
    { topic: 'push.retry.600s', event: again(3, 700_000) },
  ])
  assert.deepEqual((await run(offlinePush10s, [again(1, 50_000)], ports)).emitted, [
    { topic: 'push.retry.60s', event: again(1, 50_000) },
  ])
  assert.deepEqual(shown, [])
  await run(offlinePush10s, [again(1, 100)], ports)
  assert.equal(shown.length, 1)
})

test('a round that was made is not made again: the next one is due', async () => {
  const { ports, shown } = around({ notified: silence })
  await handle([trigger('m')], ports)
  const { emitted } = await handle([trigger('m', { reason: PUSH_REASON_UNACKED })], ports)
  assert.deepEqual(
    emitted.map(({ topic, event }) => [topic, event.round]),
    [['push.retry.10s', 1]],
  )
  assert.equal(shown.length, 1)
})

test('what was read meanwhile is not tried again', async () => {
  const { ports } = around({ notified: silence })
  await handle([trigger('m')], ports)
  const later = around({ read: true })
  assert.deepEqual(await run(offlinePush10s, [again(1)], { ...later.ports, pushLedger: ports.pushLedger }), {
    emitted: [],
    givenUp: [],
  })
  assert.deepEqual(later.shown, [])
})

test('a token that the provider calls dead is removed, and the phone forgotten', async () => {
  const { ports, told } = around({
    notified: { outcome: 'refused', dead: [{ provider: 'apns', token: 't' }] },
  })
  await handle([trigger('m')], ports)
  assert.deepEqual(told.slice(-2), ['remove t', 'forget 1'])
})

test('many triggers are opened and settled in steps', async () => {
  const { ports, told, shown } = around()
  await handle(
    Array.from({ length: 150 }, (_, at) => trigger(`m${at}`)),
    ports,
  )
  assert.equal(shown.length, 150)
  assert.deepEqual(
    told.filter((each) => !each.startsWith('notify')),
    ['open 64', 'settle 64', 'open 64', 'settle 64', 'open 22', 'settle 22'],
  )
})
