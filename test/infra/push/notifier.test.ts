/** Attempts, addresses and rests of the notifier, against providers that answer as told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNotifier, type NotifierSettings } from '../../../infra/push/notifier.js'
import type { ProviderAnswer, PushProvider } from '../../../workers/ports/push.js'
import { notification } from '../../helpers/notification.js'

const accepted: ProviderAnswer = { kind: 'accepted', answer: 'ok' }
const silence: ProviderAnswer = { kind: 'unknown', answer: 'TimeoutError' }
const refused = (tokenIsDead = false): ProviderAnswer => ({ kind: 'refused', answer: 'no', tokenIsDead })

/** Answers in this order, then the last for ever; `sent` is what it was called with. */
function provider(name: string, answers: readonly ProviderAnswer[], needsToken = true) {
  const sent: { id: string; token: string | undefined; timeout_ms: number }[] = []
  const self: PushProvider = {
    name,
    needsToken,
    async send({ notification_id }, address, timeout_ms) {
      sent.push({ id: notification_id, token: address?.token, timeout_ms })
      return answers[Math.min(sent.length, answers.length) - 1] ?? silence
    },
  }
  return { self, sent }
}

const byName = (providers: readonly PushProvider[]) => new Map(providers.map((each) => [each.name, each]))
const notifier = (providers: readonly PushProvider[], more: Partial<NotifierSettings> = {}) =>
  createNotifier({
    providers: byName(providers),
    fallback: providers[0]?.name ?? '',
    pauses_ms: [1, 1],
    ...more,
  })

const address = (token: string, of = 'vendor') => ({ provider: of, token })

test('what is accepted is sent', async () => {
  const vendor = provider('vendor', [accepted])
  assert.deepEqual(await notifier([vendor.self]).notify(notification, [address('t')]), {
    outcome: 'sent',
    provider: 'vendor',
    answer: 'ok',
    attempts: 1,
    dead: [],
  })
  assert.deepEqual(vendor.sent, [{ id: notification.notification_id, token: 't', timeout_ms: 5_000 }])
})

test('an unknown outcome is tried again at once with the same id, then it is left to the next round', async () => {
  const vendor = provider('vendor', [silence])
  const { outcome, attempts, answer } = await notifier([vendor.self]).notify(notification, [address('t')])
  assert.deepEqual([outcome, attempts, answer], ['unknown', 3, 'TimeoutError'])
  assert.deepEqual(new Set(vendor.sent.map((each) => each.id)), new Set([notification.notification_id]))

  const second = provider('vendor', [silence, accepted])
  assert.deepEqual((await notifier([second.self]).notify(notification, [address('t')])).attempts, 2)
})

test('all attempts together end before the time for one notification', async () => {
  const vendor = provider('vendor', [silence])
  const { attempts } = await notifier([vendor.self], { pauses_ms: [1, 5_000], total_ms: 1_000 }).notify(
    notification,
    [address('t')],
  )
  assert.equal(attempts, 2)
  assert.ok(vendor.sent.every((each) => each.timeout_ms <= 1_000))
})

test('the next address is tried when one is refused, and dead tokens are named', async () => {
  const vendor = provider('vendor', [refused(true), refused(false), accepted])
  const { outcome, dead, attempts } = await notifier([vendor.self]).notify(notification, [
    address('dead'),
    address('tired'),
    address('good'),
  ])
  assert.deepEqual([outcome, dead, attempts], ['sent', [address('dead')], 3])
  assert.deepEqual(
    vendor.sent.map((each) => each.token),
    ['dead', 'tired', 'good'],
  )
})

test('after an unknown outcome no other address is tried: it might be shown twice', async () => {
  const vendor = provider('vendor', [silence])
  const other = provider('other', [accepted])
  const { outcome } = await notifier([vendor.self, other.self]).notify(notification, [
    address('a'),
    address('b', 'other'),
  ])
  assert.equal(outcome, 'unknown')
  assert.deepEqual(other.sent, [])
})

test('an address of a provider that is not here goes to the default one', async () => {
  const vendor = provider('vendor', [accepted])
  await notifier([vendor.self]).notify(notification, [address('t', 'huawei')])
  assert.deepEqual(
    vendor.sent.map((each) => each.token),
    ['t'],
  )
})

test('a device without a token is for a provider that needs none', async () => {
  const log = provider('log', [accepted], false)
  assert.equal((await notifier([log.self]).notify(notification, [])).outcome, 'sent')
  const vendor = provider('vendor', [accepted])
  assert.deepEqual(await notifier([vendor.self]).notify(notification, []), {
    outcome: 'refused',
    provider: null,
    answer: 'no push token',
    attempts: 0,
    dead: [],
  })
})

test('a pause that the provider asks for is not waited for here', async () => {
  const busy: ProviderAnswer = { kind: 'unknown', answer: '503', retryAfter_ms: 7_000 }
  const vendor = provider('vendor', [busy])
  assert.deepEqual(await notifier([vendor.self]).notify(notification, [address('t')]), {
    outcome: 'unknown',
    provider: 'vendor',
    answer: '503',
    attempts: 1,
    retryAfter_ms: 7_000,
    dead: [],
  })
})

test('the next round starts where the last one ended, and nowhere else', async () => {
  const vendor = provider('vendor', [accepted])
  const other = provider('other', [accepted])
  const both = notifier([vendor.self, other.self])
  const addresses = [address('a'), address('b', 'other')]
  assert.equal((await both.notify(notification, addresses, 'other')).provider, 'other')
  assert.deepEqual(vendor.sent, [])
  const gone = await both.notify(notification, addresses.slice(0, 1), 'other')
  assert.deepEqual([gone.outcome, gone.answer, gone.attempts], ['refused', 'no push token', 0])
  assert.deepEqual(vendor.sent, [])
})

test('a provider that does not answer is left alone for a while, and then tried again', async () => {
  const vendor = provider('vendor', [...Array<ProviderAnswer>(4).fill(silence), accepted])
  const resting = notifier([vendor.self], { pauses_ms: [], failuresBeforeRest: 2, rest_ms: 50 })
  const states = async (count: number) => {
    const all = []
    for (let n = 0; n < count; n++) all.push((await resting.notify(notification, [address('t')])).attempts)
    return all
  }
  assert.deepEqual(await states(4), [1, 1, 0, 0])
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.deepEqual(await states(2), [1, 0])
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.deepEqual(await states(1), [1])
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.equal((await resting.notify(notification, [address('t')])).outcome, 'sent')
  assert.equal((await resting.notify(notification, [address('t')])).outcome, 'sent')
})

test('a default provider that is not there is refused at the start', () => {
  assert.throws(
    () => createNotifier({ providers: new Map(), fallback: 'webhook' }),
    /no push provider webhook/,
  )
})
