/** Push targets and the ledger on the real PostgreSQL: spec 2, "Offline push". */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createPushTargets } from '../../../infra/postgres/push.js'
import { createPushLedger } from '../../../infra/postgres/push-ledger.js'
import type { PushAsked, PushLedger, PushTargets } from '../../../workers/ports/push.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'

let chat: StoredChat
let targets: PushTargets
let ledger: PushLedger

before(async () => {
  chat = await openStoredChat()
  targets = createPushTargets(chat.pool)
  ledger = createPushLedger(chat.pool)
})
after(() => chat.close())

const key = (reader_user_id: number, msg_id = 'm', more: Partial<PushAsked> = {}): PushAsked => ({
  reader_user_id,
  device: { client_type: 2 },
  from_user_id: 1,
  msg_id,
  conversation: `c:1:${reader_user_id}`,
  server_msg_id: 1,
  round: 0,
  ...more,
})
const opening = (each: PushAsked) => ({ ...each, reason: 'offline' })
const idsOf = async (openings: Parameters<PushLedger['open']>[0]) =>
  (await ledger.open(openings)).map((open) => open?.notification_id)

const rowOf = async ({ reader_user_id, msg_id }: PushAsked) =>
  (
    await chat.pool.query<Record<string, unknown>>({
      text: 'SELECT * FROM im_push_ledger WHERE reader_id = $1 AND client_msg_id = $2',
      values: [reader_user_id, msg_id],
    })
  ).rows

test('a row is opened once: left pending it keeps its id, settled it has none', async () => {
  const [first] = await idsOf([opening(key(10))])
  assert.match(first ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-4/)
  const [again, other] = await idsOf([opening(key(10)), opening(key(10, 'other'))])
  assert.equal(again, first)
  assert.notEqual(other, first)

  await ledger.settle([{ ...key(10), state: 'sent', provider: 'log', answer: 'logged', attempts: 2 }])
  assert.deepEqual(await idsOf([opening(key(10)), opening(key(10, 'other'))]), [undefined, other])
  const [row] = await rowOf(key(10))
  assert.deepEqual(
    [row?.device, row?.notification_id, row?.reason, row?.state, row?.provider, row?.answer, row?.attempts],
    ['2', first, 'offline', 'sent', 'log', 'logged', 2],
  )
})

test('a settled row does not change any more', async () => {
  await ledger.open([opening(key(11))])
  await ledger.settle([{ ...key(11), state: 'suppressed', provider: null, answer: 'read', attempts: 0 }])
  await ledger.settle([
    { ...key(11), state: 'refused', provider: 'webhook', answer: 'HTTP 500', attempts: 3 },
  ])
  assert.deepEqual(
    (await rowOf(key(11))).map((row) => [row.state, row.answer]),
    [['suppressed', 'read']],
  )
})

test('a round that has no outcome leaves the row open for the next one, where it was left', async () => {
  const [first] = await ledger.open([opening(key(14))])
  assert.deepEqual([first?.round, first?.provider], [0, null])
  const tried = { ...key(14), state: 'pending', provider: 'apns', answer: '503', attempts: 2 } as const
  await ledger.settle([tried])
  await ledger.settle([tried]) // of another worker: that round is over
  const [second] = await ledger.open([opening(key(14, 'm', { round: 1 }))])
  assert.deepEqual(second, { ...first, round: 1, provider: 'apns' })
  await ledger.settle([{ ...tried, round: 1, state: 'sent', provider: null, answer: '200', attempts: 1 }])
  const [row] = await rowOf(key(14))
  assert.deepEqual([row?.state, row?.provider, row?.answer, row?.attempts], ['sent', 'apns', '200', 3])
})

test('what was given up is opened again in the round in which it was, and in no other', async () => {
  const last = key(15, 'm', { round: 3 })
  const [first] = await ledger.open([opening(last)])
  await ledger.settle([{ ...last, state: 'failed', provider: 'apns', answer: '503', attempts: 1 }])
  const again = [0, 2, 3].map((round) => ({ ...last, round }))
  const settledIn = async (round: number) => (await targets.of([{ ...last, round }]))[0]?.settled
  assert.deepEqual([await settledIn(0), await settledIn(3)], [true, false])
  assert.deepEqual(await ledger.open([opening(again[0]!)]), [undefined])
  assert.deepEqual(await ledger.open([opening(again[1]!)]), [undefined])
  assert.deepEqual(await ledger.open([opening(again[2]!)]), [{ ...first, round: 3, provider: 'apns' }])
})

test('what was refused is not opened again', async () => {
  await ledger.open([opening(key(16))])
  await ledger.settle([{ ...key(16), state: 'refused', provider: 'apns', answer: '410', attempts: 1 }])
  assert.deepEqual(await ledger.open([opening(key(16))]), [undefined])
})

test('two workers that open the same rows at once get the same ids', async () => {
  const openings = Array.from({ length: 50 }, (_, at) => opening(key(12, `m${at}`)))
  const [one, two] = await Promise.all([idsOf(openings), idsOf([...openings].reverse())])
  assert.deepEqual(one, two?.toReversed())
  assert.equal(new Set(one).size, 50)
})

test('each device of a user has rows of its own', async () => {
  const phone = key(13)
  const tablet = key(13, 'm', { device: { client_type: 2, device_id: 'tablet' } })
  const ids = await idsOf([opening(phone), opening(tablet)])
  assert.equal(new Set(ids).size, 2)
  assert.deepEqual((await rowOf(phone)).map((row) => row.device).sort(), ['2', '2:tablet'])
})

test('a target has its addresses in order, the exact unread total, and whether it logged out or is settled', async () => {
  await chat.sayMany(1, 20, 2)
  await chat.sayMany(3, 20, 1)
  await chat.pool.query(`INSERT INTO im_push_token VALUES
    (20, 2, '', 'huawei', 'second', 1, 0), (20, 2, '', 'apns', 'first', 0, 0), (20, 2, 'tablet', 'fcm', 'third', 0, 0)`)
  await chat.pool.query(`INSERT INTO im_device VALUES (20, 2, '', 0, false), (20, 2, 'tablet', 0, true)`)
  const settled = key(20, 'settled')
  await ledger.open([opening(settled), opening(key(20, 'pending'))])
  await ledger.settle([{ ...settled, state: 'sent', provider: 'log', answer: '', attempts: 1 }])

  const tablet = { device: { client_type: 2, device_id: 'tablet' } }
  const found = await targets.of([key(20), key(20, 'settled', tablet), settled, key(20, 'pending'), key(21)])
  const addresses = [
    { provider: 'apns', token: 'first' },
    { provider: 'huawei', token: 'second' },
  ]
  const open = {
    logged_out: false,
    active: true,
    muted: false,
    settings: { quiet: null, mentions: true, preview: true },
    superseded: false,
    addresses,
    settled: false,
    unread_total: 3,
  }
  assert.deepEqual(found, [
    open,
    { ...open, logged_out: true, addresses: [{ provider: 'fcm', token: 'third' }] },
    { ...open, settled: true },
    open,
    { ...open, addresses: [], unread_total: 0 },
  ])
})

test('a target knows what its user wants, mutes and has been shown', async () => {
  await chat.pool.query(
    `INSERT INTO im_push_settings VALUES (40, 1320, 420, 'Europe/Berlin', false, false, 0)`,
  )
  await chat.say(1, 40, 'hello')
  await chat.pool.query('UPDATE im_session SET muted = true WHERE user_id = 40')
  await chat.pool.query('UPDATE im_user SET active = false WHERE user_id = 41')
  const newer = key(40, 'newer', { server_msg_id: 3 })
  await ledger.open([opening(newer)])
  await ledger.settle([{ ...newer, state: 'sent', provider: 'apns', answer: '200', attempts: 1 }])
  const [first, retried, deactivated] = await targets.of([
    key(40, 'm', { server_msg_id: 2 }),
    key(40, 'm', { server_msg_id: 2, round: 1 }),
    key(41),
  ])
  assert.deepEqual(first?.settings, {
    quiet: { from: 1_320, to: 420, time_zone: 'Europe/Berlin' },
    mentions: false,
    preview: false,
  })
  assert.deepEqual([first?.muted, first?.superseded, retried?.superseded], [true, false, true])
  assert.deepEqual([first?.active, deactivated?.active], [true, false])
})

test('a dead token is removed, unless it was replaced in the meantime', async () => {
  await chat.pool.query(
    `INSERT INTO im_push_token VALUES (30, 2, '', 'apns', 'new', 0, 0), (30, 2, '', 'fcm', 'dead', 1, 0),
            (30, 2, '', 'huawei', 'back', 2, 5000), (30, 2, '', 'meizu', 'gone', 3, 5000)`,
  )
  const device = { client_type: 2 }
  await targets.remove([
    { user_id: 30, device, provider: 'apns', token: 'old' },
    { user_id: 30, device, provider: 'fcm', token: 'dead' },
    { user_id: 30, device, provider: 'huawei', token: 'back', since: 4_999 },
    { user_id: 30, device, provider: 'meizu', token: 'gone', since: 5_000 },
  ])
  assert.deepEqual((await targets.of([key(30)]))[0]?.addresses, [
    { provider: 'apns', token: 'new' },
    { provider: 'huawei', token: 'back' },
  ])
})

test('nothing asked is nothing answered', async () => {
  assert.deepEqual(await targets.of([]), [])
  assert.deepEqual(await ledger.open([]), [])
  await ledger.settle([])
  await targets.remove([])
})
