/** What is not acked is delivered again and notified; what is acked is neither (spec 2, "Single chat" 3–5). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { CIM, coffeechat } from '../../proto/index.js'
import { topics } from '../../schemas/topics.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { rowsOf } from '../helpers/rows.js'
import { type System, startSystem } from '../helpers/system.js'
import { readTopic, type TopicReader } from '../helpers/topic.js'
import { conditionHolds } from '../helpers/wait.js'

const { PushReason } = coffeechat.event
const { CIMClientType, CIMMessageFeature } = CIM.Def
const firstCheck_ms = 4_000
const allChecks = 3

/** What the webhook of the business was told. */
interface Notified {
  readonly user_id: string
  readonly token: string
  readonly title: string
  readonly body: string
  readonly badge: number
  readonly msg_id: string
  readonly key: string
}

const notified: Notified[] = []
let webhook: Server
let system: System
let crowd: Crowd
let triggers: TopicReader<coffeechat.event.IPushTriggered>

before(async () => {
  webhook = createServer(async (request, response) => {
    const key = String(request.headers['idempotency-key'])
    notified.push({ ...(JSON.parse(await text(request)) as Omit<Notified, 'key'>), key })
    response.end()
  })
  webhook.listen(0, '127.0.0.1')
  await once(webhook, 'listening')
  const { port } = webhook.address() as AddressInfo
  system = await startSystem({
    env: {
      DELIVERY_CHECK_DELAYS_MS: `${firstCheck_ms},1500,2000`,
      ACK_FLUSH_CRON: '*/1 * * * * *',
      PUSH_WEBHOOK_URL: `http://127.0.0.1:${port}/push`,
    },
  })
  crowd = createCrowd(system)
  triggers = await readTopic(system, topics.pushTriggered)
})
after(async () => {
  crowd?.leave()
  await triggers?.close()
  await system?.stop()
  webhook?.close()
})

/** A user whose phone the webhook can notify. */
async function withPhone(): Promise<User> {
  const user = await crowd.newUser()
  const address = { client_type: CIMClientType.kCIM_CLIENT_TYPE_IOS, provider: 'webhook' }
  const path = `/v1/users/${user.user_id}/push-tokens`
  const { status } = await system.api.call('PUT', path, { ...address, token: `phone of ${user.user_id}` })
  assert.equal(status, 200)
  return user
}

async function withPhoneOnline(): Promise<{ user: User; phone: Device }> {
  const user = await withPhone()
  const phone = await crowd.online(user)
  phone.acking = false
  return { user, phone }
}

const copiesOf = (device: Device, msg_id: string) =>
  device.journal.filter((entry) => entry.kind === 'received' && entry.msg_id === msg_id)

const triggersOf = (msg_id: string) => triggers.events.filter(({ ref }) => ref.msg_id === msg_id)
const notificationsOf = (msg_id: string) => notified.filter((each) => each.msg_id === msg_id)

const ledgerOf = (msg_id: string) =>
  rowsOf<{ reader_id: string; reason: string; state: string; provider: string }>(
    system.databaseUrl,
    'SELECT reader_id, reason, state, provider FROM im_push_ledger WHERE client_msg_id = $1',
    [msg_id],
  )

const deliveredOf = async (msg_id: string): Promise<number | undefined> => {
  const rows = await rowsOf<{ delivered: number }>(
    system.databaseUrl,
    'SELECT delivered FROM im_message_recv WHERE client_msg_id = $1',
    [msg_id],
  )
  return rows[0]?.delivered
}

test('a message without an ack is delivered again at each check, and notified once', async () => {
  const { user, phone } = await withPhoneOnline()
  const ada = await crowd.newUser()
  const adas = await crowd.online(ada)
  const msg_id = adas.send(user.user_id, 'are you there? ☕')
  assert.equal((await adas.acked(msg_id)).res_code, 0)
  await conditionHolds('a copy at each check', () => copiesOf(phone, msg_id).length === 1 + allChecks)
  const copies = copiesOf(phone, msg_id)
  assert.ok(copies[1]!.at_ms - copies[0]!.at_ms >= firstCheck_ms - 100, 'the first check came early')
  assert.deepEqual(new Set(copies.map(({ server_msg_id }) => server_msg_id)), new Set([1]))

  await conditionHolds('push.triggered', () => triggersOf(msg_id).length > 0)
  const [trigger] = triggersOf(msg_id)
  assert.deepEqual(
    [trigger?.reader_user_id, trigger?.reason, trigger?.device.client_type],
    [user.user_id, PushReason.PUSH_REASON_UNACKED, CIMClientType.kCIM_CLIENT_TYPE_IOS],
  )
  await conditionHolds('the notification', () => notificationsOf(msg_id).length > 0)
  const [shown, ...more] = notificationsOf(msg_id)
  assert.deepEqual(more, [])
  assert.deepEqual(
    [shown?.user_id, shown?.token, shown?.title, shown?.body, shown?.badge],
    [String(user.user_id), `phone of ${user.user_id}`, `u${ada.user_id}`, 'are you there? ☕', 1],
  )
  const [row, ...others] = await ledgerOf(msg_id)
  assert.deepEqual(others, [])
  assert.deepEqual([row?.reader_id, row?.reason, row?.provider], [String(user.user_id), 'unacked', 'webhook'])
  assert.equal(await deliveredOf(msg_id), 0, 'bytes written to a socket are not a delivery')
})

test('a message that is acked, or read, is neither delivered again nor notified', async () => {
  const { user, phone } = await withPhoneOnline()
  const adas = await crowd.online(await crowd.newUser())
  const acked = adas.send(user.user_id, 'acked')
  phone.ack(await phone.received(acked))
  const bos = await crowd.online(await crowd.newUser())
  const read = bos.send(user.user_id, 'read')
  const { from_user_id } = await phone.received(read)
  phone.put('MSG_READ_ACK', {
    user_id: user.user_id,
    session_id: from_user_id,
    msg_id: read,
    session_type: 1,
  })
  // what comes after them is checked after them
  const neither = adas.send(user.user_id, 'neither')
  await conditionHolds('all checks of the last', () => copiesOf(phone, neither).length === 1 + allChecks)
  for (const msg_id of [acked, read]) {
    assert.equal(copiesOf(phone, msg_id).length, 1)
    assert.deepEqual(triggersOf(msg_id), [])
    assert.deepEqual(await ledgerOf(msg_id), [])
    await conditionHolds('it is delivered in the database', async () => (await deliveredOf(msg_id)) === 1)
  }
})

test('an ack by one device leaves the other one to be delivered again', async () => {
  const { user, phone } = await withPhoneOnline()
  const web = { client_type: CIMClientType.kCIM_CLIENT_TYPE_WEB, over: 'ws' } as const
  const page = await crowd.online(user, web)
  const adas = await crowd.online(await crowd.newUser())
  const msg_id = adas.send(user.user_id, 'to both')
  await page.received(msg_id)
  await conditionHolds('it is delivered by the first ack', async () => (await deliveredOf(msg_id)) === 1)
  await conditionHolds('a second copy', () => copiesOf(phone, msg_id).length === 2)
  phone.ack(await phone.received(msg_id))
  assert.equal(copiesOf(page, msg_id).length, 1)
})

test('an ack by who is no reader of the message counts for nothing', async () => {
  const { user, phone } = await withPhoneOnline()
  const adas = await crowd.online(await crowd.newUser())
  const stranger = await crowd.online(await crowd.newUser())
  const msg_id = adas.send(user.user_id, 'not for strangers')
  const message = await phone.received(msg_id)
  stranger.ack(message)
  adas.ack(message)
  await conditionHolds('a second copy', () => copiesOf(phone, msg_id).length === 2)
  assert.equal(await deliveredOf(msg_id), 0)
  phone.ack(message)
  await conditionHolds('it is delivered', async () => (await deliveredOf(msg_id)) === 1)
})

test('an offline phone is notified at once although a computer of its user is online', async () => {
  const { user, phone } = await withPhoneOnline()
  phone.cut()
  const path = `/v1/users/${user.user_id}/devices`
  await conditionHolds('offline', async () => (await system.api.get(path)).body.devices.length === 0)
  const page = await crowd.online(user, { client_type: CIMClientType.kCIM_CLIENT_TYPE_PC_WINDOWS })
  const adas = await crowd.online(await crowd.newUser())
  const begun = performance.now()
  const msg_id = adas.send(user.user_id, 'to the computer')
  await page.received(msg_id)
  await conditionHolds('the notification', () => notificationsOf(msg_id).length > 0)
  assert.ok(performance.now() - begun < firstCheck_ms + 1_000)
  assert.equal(
    triggersOf(msg_id).at(0)?.reason ?? PushReason.PUSH_REASON_OFFLINE,
    PushReason.PUSH_REASON_OFFLINE,
  )
})

test('a phone that logged out is not notified; one that is back meanwhile gets the message as LEAVE_MSG', async () => {
  const { user, phone } = await withPhoneOnline()
  await phone.ask(
    'LOGOUT_REQ',
    { user_id: user.user_id, client_type: CIMClientType.kCIM_CLIENT_TYPE_IOS },
    'LOGOUT_RSP',
  )
  await phone.closed()
  const adas = await crowd.online(await crowd.newUser())
  const msg_id = adas.send(user.user_id, 'for later')
  assert.equal((await adas.acked(msg_id)).res_code, 0)
  const back = await crowd.online(user)
  const message = await back.received(msg_id)
  assert.equal(message.msg_feature, CIMMessageFeature.kCIM_MESSAGE_FEATURE_LEAVE_MSG)
  assert.deepEqual(await ledgerOf(msg_id), [])
  assert.deepEqual(notificationsOf(msg_id), [])
})

test('a check that was pending when every process was killed still runs after the new start', async () => {
  const { user, phone } = await withPhoneOnline()
  const adas = await crowd.online(await crowd.newUser())
  const msg_id = adas.send(user.user_id, 'through a crash')
  await adas.acked(msg_id)
  await phone.received(msg_id)
  const [all] = system.processes.values()
  await all!.kill('SIGKILL')
  await all!.restart()
  const back = await crowd.online(user)
  assert.equal((await back.received(msg_id, 20_000)).server_msg_id, 1)
})
