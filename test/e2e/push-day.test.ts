/** A day of notifications: APNs and FCM servers get exactly those that the rules call for (spec 2, "Offline push"). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { CIM } from '../../proto/index.js'
import { deadLetterName, topics } from '../../schemas/topics.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { fcmFault } from '../helpers/fcm-server.js'
import { type PushServers, startPushServers } from '../helpers/push-servers.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const { CIMClientType } = CIM.Def
const ios = CIMClientType.kCIM_CLIENT_TYPE_IOS
const android = CIMClientType.kCIM_CLIENT_TYPE_ANDROID
const desktop = CIMClientType.kCIM_CLIENT_TYPE_PC_WINDOWS

/** Bo's phone, Bo's tablet, Ann's phone. */
const phone = 'b0b00001b0b00001'
const tablet = 'fcm-token-of-the-tablet'
const annsPhone = 'a22a0001a22a0001'

let servers: PushServers
let system: System
let crowd: Crowd
let ann: User
let bo: User
let anns: Device
let group: string

const deadLetters = deadLetterName(topics.pushRetry600s.name, 'offline-push-600s')

/** What each device is to have shown, in order: the day's script writes it as it goes. */
const expected = { phone: [] as string[], tablet: [] as string[] }

before(async () => {
  servers = await startPushServers()
  system = await startSystem({
    env: {
      ...servers.env,
      PUSH_PROVIDERS: 'iphone=apns,google=fcm',
      PUSH_RETRY_DELAYS_MS: '500,500,500',
      PUSH_RETRIES: '3',
      PUSH_RATE_PER_MINUTE: '40',
      DELIVERY_CHECK_DELAYS_MS: '1500,500,500',
      ACK_FLUSH_CRON: '*/1 * * * * *',
      LOG_LEVEL: 'debug',
    },
  })
  crowd = createCrowd(system)
  ann = await crowd.newUser()
  bo = await crowd.newUser()
})
after(async () => {
  crowd?.leave()
  await system?.stop()
  await servers?.close()
})

const call = async (method: string, path: string, body?: object) => {
  const answer = await system.api.call(method, path, body)
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

const register = (user: User, client_type: number, provider: string, token: string) =>
  call('PUT', `/v1/users/${user.user_id}/push-tokens`, { client_type, provider, token })

/** A device that was online once, and is away. */
async function away(user: User, client_type: number): Promise<void> {
  const device = await crowd.online(user, { client_type })
  await leave(user, device, client_type)
}

async function leave(user: User, device: Device, client_type: number): Promise<void> {
  device.cut()
  await conditionHolds('the device is offline', async () => {
    const { devices } = await call('GET', `/v1/users/${user.user_id}/devices`)
    return !devices.some((each: { client_type: number }) => each.client_type === client_type)
  })
}

/** What became of a message on a device of Bo's: `status: reason`. */
async function fate(msg_id: string, client_type: number): Promise<string> {
  const { deliveries } = await call('GET', `/v1/messages/${ann.user_id}/${msg_id}/deliveries`)
  const { status, reason } =
    deliveries.find((each: { client_type: number }) => each.client_type === client_type) ?? {}
  return [status, ...(reason === undefined ? [] : [reason])].join(': ')
}

async function becomes(msg_id: string, client_type: number, wanted: string): Promise<void> {
  let last = ''
  await conditionHolds(wanted, async () => {
    last = await fate(msg_id, client_type)
    return last === wanted
  }).catch((error: Error) => assert.fail(`${error.message}, but ${last}`))
}

/** Ann says something to Bo, or to their group. */
async function say(text: string, mention = false): Promise<string> {
  const msg_id = anns.send(bo.user_id, text, mention ? { mention_user_id: [bo.user_id] } : {})
  assert.equal((await anns.acked(msg_id)).res_code, 0)
  return msg_id
}

async function sayToGroup(text: string, mention = false): Promise<string> {
  const to = { session_type: 2, ...(mention ? { mention_user_id: [bo.user_id] } : {}) }
  const msg_id = anns.send(Number(group), text, to)
  assert.equal((await anns.acked(msg_id)).res_code, 0)
  return msg_id
}

/** A message that both devices are to show. */
async function shownOnBoth(msg_id: string, line: string): Promise<void> {
  await becomes(msg_id, ios, 'notified')
  await becomes(msg_id, android, 'notified')
  expected.phone.push(line)
  expected.tablet.push(line)
}

/** A message that neither is to show, for this reason. */
async function shownNowhere(msg_id: string, reason: string): Promise<void> {
  await becomes(msg_id, ios, `not_notified: ${reason}`)
  await becomes(msg_id, android, `not_notified: ${reason}`)
}

test('morning: both devices are away, and each shows the message with sender, text and badge', async () => {
  await register(bo, ios, 'iphone', phone)
  await register(bo, android, 'google', tablet)
  await register(ann, ios, 'iphone', annsPhone)
  for (const type of [ios, android]) await away(bo, type)
  await away(ann, ios)
  anns = await crowd.online(ann, { client_type: desktop })
  await shownOnBoth(await say('good morning'), `u${ann.user_id}: good morning (1)`)
})

test('a computer that is online, and has the message, silences neither', async () => {
  const computer = await crowd.online(bo, { client_type: desktop })
  const msg_id = await say('at your desk?')
  await computer.received(msg_id)
  await shownOnBoth(msg_id, `u${ann.user_id}: at your desk? (2)`)
  await becomes(msg_id, desktop, 'acked')

  const read = { user_id: bo.user_id, session_id: ann.user_id, msg_id, session_type: 1 }
  computer.put('MSG_READ_ACK', read)
  await becomes(msg_id, ios, 'read')
  await leave(bo, computer, desktop)
  await shownOnBoth(await say('welcome back'), `u${ann.user_id}: welcome back (1)`)
})

test('who is online and acks shows nothing; who does not ack is notified after the first check', async () => {
  const handset = await crowd.online(bo, { client_type: ios })
  const acked = await say('in your hand')
  await handset.received(acked)
  await becomes(acked, android, 'notified')
  expected.tablet.push(`u${ann.user_id}: in your hand (2)`)
  handset.acking = false
  const silent = await say('in your pocket')
  await handset.received(silent)
  await shownOnBoth(silent, `u${ann.user_id}: in your pocket (3)`)
  await becomes(acked, ios, 'acked')
  await leave(bo, handset, ios)
})

test('in quiet hours only mentions are shown, and in a muted conversation too', async () => {
  const body = { owner_id: String(ann.user_id), group_name: 'crew', members: [String(bo.user_id)] }
  const created = await call('POST', '/v1/groups', body)
  group = created.group_id ?? created.group.group_id
  const settings = `/v1/users/${bo.user_id}/push-settings`
  await call('PUT', settings, { quiet_hours: { from: '00:00', to: '00:00', time_zone: 'Asia/Tokyo' } })
  await shownNowhere(await say('are you asleep?'), 'do not disturb')
  await shownOnBoth(
    await sayToGroup('@bo the build is red', true),
    `crew: u${ann.user_id}: @bo the build is red (5)`,
  )
  await call('PUT', settings, {})

  await call('PATCH', `/v1/users/${bo.user_id}/sessions/${group}`, { is_muted: true })
  await shownNowhere(await sayToGroup('chatter'), 'muted')
  await shownOnBoth(await sayToGroup('@bo still red', true), `crew: u${ann.user_id}: @bo still red (7)`)
  await call('PUT', settings, { mentions: false, preview: false })
  await shownNowhere(await sayToGroup('@bo never mind', true), 'muted')
  await shownOnBoth(await say('a secret'), `u${ann.user_id}: New message (9)`)
  await call('PUT', settings, {})
})

test('a provider that asks for a pause, cuts off or is silent gets the same notification again, and shows it once', async () => {
  servers.apns.script(
    phone,
    { status: 503, reason: 'ServiceUnavailable', headers: { 'retry-after': '1' } },
    'cut',
    'silence',
  )
  servers.fcm.script(tablet, {
    ...fcmFault(429, 'RESOURCE_EXHAUSTED', 'QUOTA_EXCEEDED'),
    headers: { 'retry-after': '1' },
  })
  const msg_id = await say('bad reception')
  await shownOnBoth(msg_id, `u${ann.user_id}: bad reception (10)`)
  const tries = servers.apns.received.filter(({ payload }) => payload.msg_id === msg_id)
  assert.equal(tries.length, 4)
  assert.equal(new Set(tries.map(({ apnsId, collapseId }) => `${apnsId} ${collapseId}`)).size, 1)
  const { deliveries } = await call('GET', `/v1/messages/${ann.user_id}/${msg_id}/deliveries`)
  const { notification } = deliveries.find((each: { client_type: number }) => each.client_type === ios)
  assert.deepEqual(
    [notification.state, notification.provider, notification.answer, notification.attempts],
    ['sent', 'iphone', '200', 4],
  )
})

test('a process that is killed while its provider thinks repeats the same notification after its start', async () => {
  servers.apns.script(phone, 'silence')
  const msg_id = await say('through a crash')
  const tries = () => servers.apns.received.filter(({ payload }) => payload.msg_id === msg_id)
  await conditionHolds('the first try', () => tries().length === 1)
  const [all] = system.processes.values()
  await all!.kill('SIGKILL')
  await all!.restart()
  anns = await crowd.online(ann, { client_type: desktop })
  await shownOnBoth(msg_id, `u${ann.user_id}: through a crash (11)`)
  assert.equal(new Set(tries().map(({ apnsId }) => apnsId)).size, 1)
})

test('a dead token is removed, and the next provider of the device is tried', async () => {
  await register(bo, ios, 'google', 'fcm-token-of-the-phone')
  servers.apns.script(phone, { status: 410, reason: 'Unregistered', timestamp: Date.now() })
  const msg_id = await say('new phone?')
  await becomes(msg_id, ios, 'notified')
  await becomes(msg_id, android, 'notified')
  expected.tablet.push(`u${ann.user_id}: new phone? (12)`)
  const { push_tokens } = await call('GET', `/v1/users/${bo.user_id}/push-tokens`)
  assert.deepEqual(
    push_tokens.map(
      (each: { client_type: number; provider: string }) => `${each.client_type} ${each.provider}`,
    ),
    [`${android} google`, `${ios} google`],
  )
  assert.deepEqual(
    servers.fcm.received
      .filter(({ token }) => token === 'fcm-token-of-the-phone')
      .map(({ data }) => data.msg_id),
    [msg_id],
  )
})

test('what no provider takes is given up after its retries, and lies among the dead letters', async () => {
  const busy = fcmFault(500, 'INTERNAL', 'INTERNAL')
  servers.fcm.script(tablet, ...Array.from({ length: 8 }, () => busy))
  const msg_id = await say('nobody home')
  await becomes(msg_id, android, 'not_notified: 500 INTERNAL')
  const { notifications } = await call('GET', `/v1/users/${bo.user_id}/notifications?limit=10`)
  const found = notifications.find(
    (each: { msg_id: string; client_type: number }) => each.msg_id === msg_id && each.client_type === android,
  )
  assert.deepEqual([found.state, found.attempts], ['failed', 8]) // four rounds of two
  await conditionHolds('the dead letter', async () => (await recordsIn(deadLetters)) === 1)
})

test('evening: a device that logged out is shown nothing', async () => {
  const handset = await crowd.online(bo, { client_type: ios })
  await handset.ask('LOGOUT_REQ', { user_id: bo.user_id, client_type: ios }, 'LOGOUT_RSP')
  await handset.closed()
  const msg_id = await say('good night')
  await becomes(msg_id, android, 'notified')
  expected.tablet.push(`u${ann.user_id}: good night (14)`)
  await becomes(msg_id, ios, 'waiting: logged out')
})

/** How many records a topic holds. */
async function recordsIn(topic: string): Promise<number> {
  const admin = new Kafka({ brokers: [system.kafka], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    const ends = await admin.fetchTopicOffsets(system.prefix + topic)
    return ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0)
  } finally {
    await admin.disconnect()
  }
}

interface Shown {
  readonly title: string
  readonly body: string
  readonly badge: number
}
const line = ({ title, body, badge }: Shown) => `${title}: ${body} (${badge})`

test('at the end of the day each device has shown exactly what the rules call for', () => {
  assert.deepEqual(
    servers.apns.shown(phone).map(({ payload: { aps } }) => line({ ...aps.alert, badge: aps.badge })),
    expected.phone,
  )
  const onTablet = servers.fcm
    .shown(tablet)
    .map((message) =>
      line({ ...message.notification, badge: message.android.notification.notification_count }),
    )
  assert.deepEqual(onTablet, expected.tablet)
  assert.deepEqual(servers.apns.shown(annsPhone), [])
})

test('no token, key or text is in the logs', () => {
  const logs = system.logs()
  assert.ok(logs.length > 1_000)
  for (const secret of [phone, tablet, 'PRIVATE KEY', 'good morning', 'bad reception', 'eyJ', 'access-1'])
    assert.ok(!logs.includes(secret), `${secret} is in the logs`)
})
