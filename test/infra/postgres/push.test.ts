/** Push targets and the ledger on the real PostgreSQL: spec 2, "Offline push". */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createPushLedger, createPushTargets } from '../../../infra/postgres/push.js'
import type { PushKey, PushLedger, PushTargets } from '../../../workers/ports/push.js'
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

const key = (reader_user_id: number, msg_id = 'm', more: Partial<PushKey> = {}): PushKey => ({
  reader_user_id,
  device: { client_type: 2 },
  from_user_id: 1,
  msg_id,
  ...more,
})
const opening = (each: PushKey) => ({ ...each, reason: 'offline' })

const rowOf = async ({ reader_user_id, msg_id }: PushKey) =>
  (
    await chat.pool.query<Record<string, unknown>>({
      text: 'SELECT * FROM im_push_ledger WHERE reader_id = $1 AND client_msg_id = $2',
      values: [reader_user_id, msg_id],
    })
  ).rows

test('a row is opened once: left pending it keeps its id, settled it has none', async () => {
  const [first] = await ledger.open([opening(key(10))])
  assert.match(first ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-4/)
  const [again, other] = await ledger.open([opening(key(10)), opening(key(10, 'other'))])
  assert.equal(again, first)
  assert.notEqual(other, first)

  await ledger.settle([{ ...key(10), state: 'sent', provider: 'log', answer: 'logged', attempts: 2 }])
  assert.deepEqual(await ledger.open([opening(key(10)), opening(key(10, 'other'))]), [undefined, other])
  const [row] = await rowOf(key(10))
  assert.deepEqual(
    [row?.device, row?.notification_id, row?.reason, row?.state, row?.provider, row?.answer, row?.attempts],
    ['2', first, 'offline', 'sent', 'log', 'logged', 2],
  )
})

test('a settled row does not change any more', async () => {
  await ledger.open([opening(key(11))])
  await ledger.settle([{ ...key(11), state: 'suppressed', provider: null, answer: 'read', attempts: 0 }])
  await ledger.settle([{ ...key(11), state: 'failed', provider: 'webhook', answer: 'HTTP 500', attempts: 3 }])
  assert.deepEqual(
    (await rowOf(key(11))).map((row) => [row.state, row.answer]),
    [['suppressed', 'read']],
  )
})

test('two workers that open the same rows at once get the same ids', async () => {
  const openings = Array.from({ length: 50 }, (_, at) => opening(key(12, `m${at}`)))
  const [one, two] = await Promise.all([ledger.open(openings), ledger.open([...openings].reverse())])
  assert.deepEqual(one, two?.toReversed())
  assert.equal(new Set(one).size, 50)
})

test('each device of a user has rows of its own', async () => {
  const phone = key(13)
  const tablet = key(13, 'm', { device: { client_type: 2, device_id: 'tablet' } })
  const ids = await ledger.open([opening(phone), opening(tablet)])
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
  const open = { logged_out: false, addresses, settled: false, unread_total: 3 }
  assert.deepEqual(found, [
    open,
    { ...open, logged_out: true, addresses: [{ provider: 'fcm', token: 'third' }] },
    { ...open, settled: true },
    open,
    { logged_out: false, addresses: [], settled: false, unread_total: 0 },
  ])
})

test('a dead token is removed, unless it was replaced in the meantime', async () => {
  await chat.pool.query(
    `INSERT INTO im_push_token VALUES (30, 2, '', 'apns', 'new', 0, 0), (30, 2, '', 'fcm', 'dead', 1, 0)`,
  )
  const device = { client_type: 2 }
  await targets.remove([
    { user_id: 30, device, provider: 'apns', token: 'old' },
    { user_id: 30, device, provider: 'fcm', token: 'dead' },
  ])
  assert.deepEqual((await targets.of([key(30)]))[0]?.addresses, [{ provider: 'apns', token: 'new' }])
})

test('nothing asked is nothing answered', async () => {
  assert.deepEqual(await targets.of([]), [])
  assert.deepEqual(await ledger.open([]), [])
  await ledger.settle([])
  await targets.remove([])
})
