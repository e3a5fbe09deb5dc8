/** s2c: a business asks for pushes over Kafka or HTTP, and hears what became of each (spec 3, "For businesses"). */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { coffeechat } from '../../proto/index.js'
import type { PushResultJson } from '../../schemas/business-events.js'
import { deadLetterName, fullName, topics } from '../../schemas/topics.js'
import { type Business, openBusiness } from '../helpers/business.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { type System, startSystem } from '../helpers/system.js'
import { readRecords, readTopic, type TopicReader } from '../helpers/topic.js'
import { conditionHolds } from '../helpers/wait.js'

let system: System
let crowd: Crowd
let business: Business
let results: TopicReader<PushResultJson>

before(async () => {
  system = await startSystem({ gateways: 2, env: { DELIVERY_CHECK_DELAYS_MS: '2000,1500,6000' } })
  crowd = createCrowd(system)
  business = await openBusiness(system)
  results = await readTopic(system, topics.pushResult)
})
after(async () => {
  crowd?.leave()
  await results?.close()
  await business?.close()
  await system?.stop()
})

interface Asked {
  readonly push_id: string
  readonly to: object
  readonly [field: string]: unknown
}

const order = (to: object, more: object = {}): Asked => ({
  push_id: randomUUID(),
  push_type: 'order.paid',
  to,
  text: 'paid',
  ...more,
})
const toUsers = (...users: (User | number)[]) => ({
  user_ids: users.map((user) => String(typeof user === 'number' ? user : user.user_id)),
})

/** `user outcome` of each result of a push, in the order of their arrival. */
const told = (push_id: string): string[] =>
  results.events
    .filter((each) => each.push_id === push_id)
    .map(({ user_id, outcome }) => `${user_id ?? '-'} ${outcome}`)

const hears = (push_id: string, ...expected: string[]) =>
  conditionHolds(
    `${push_id}: ${expected}`,
    () => expected.every((each) => told(push_id).includes(each)),
    20_000,
  ).catch((error: Error) => assert.fail(`${error.message}; there came ${told(push_id)}`))

const arrives = async (device: Device, push_id: string) =>
  (await device.next('PUSH_DATA', { match: (push) => push.push_id === push_id })).body

const ack = (device: Device, user: User, push_id: string) =>
  device.put('PUSH_DATA_ACK', { user_id: user.user_id, push_id })

test('a push reaches every device of a user on any gate; the result says sent, then acked', async () => {
  const ada = await crowd.newUser()
  const phone = await crowd.online(ada)
  const web = await crowd.online(ada, { client_type: 3, over: 'ws', gateway: system.gateways[1]! })
  const push = order(toUsers(ada), { text: undefined, json: { order: 7 } })
  await business.push(push)
  for (const device of [phone, web]) {
    const { user_id, push_type, payload } = await arrives(device, push.push_id)
    assert.deepEqual(
      [user_id, push_type, Buffer.from(payload).toString()],
      [ada.user_id, 'order.paid', '{"order":7}'],
    )
  }
  await hears(push.push_id, `${ada.user_id} sent`)
  ack(web, ada, push.push_id)
  await hears(push.push_id, `${ada.user_id} acked`)
  assert.deepEqual(told(push.push_id), [`${ada.user_id} sent`, `${ada.user_id} acked`])
  const acked = results.events.find(({ push_id, outcome }) => push_id === push.push_id && outcome === 'acked')
  assert.equal(acked?.client_type, 3)
})

test('a push to a group reaches each member, and unknown users are rejected alone', async () => {
  const [ada, bo] = [await crowd.newUser(), await crowd.newUser()]
  const [adas, bos] = [await crowd.online(ada), await crowd.online(bo)]
  const group = { owner_id: String(ada.user_id), members: [String(bo.user_id)] }
  const { body } = await system.api.post('/v1/groups', group)
  const toGroup = order({ group_id: body.group_id })
  await business.push(toGroup)
  await Promise.all([arrives(adas, toGroup.push_id), arrives(bos, toGroup.push_id)])
  await hears(toGroup.push_id, `${ada.user_id} sent`, `${bo.user_id} sent`)

  const toSome = order(toUsers(ada, 404_404))
  await business.push(toSome)
  await arrives(adas, toSome.push_id)
  await hears(toSome.push_id, '404404 rejected', `${ada.user_id} sent`)
  const rejected = results.events.find((each) => each.push_id === toSome.push_id && each.user_id === '404404')
  assert.equal(rejected?.reason, 'there is no such user')
})

test('a push to everyone online reaches whoever is, and says nothing of others', async () => {
  const [ada, bo, away] = [await crowd.newUser(), await crowd.newUser(), await crowd.newUser()]
  const devices = [await crowd.online(ada), await crowd.online(bo, { gateway: system.gateways[1]! })]
  const push = order({ online: true })
  await business.push(push)
  await Promise.all(devices.map((device) => arrives(device, push.push_id)))
  await hears(push.push_id, `${ada.user_id} sent`, `${bo.user_id} sent`)
  assert.ok(!told(push.push_id).some((each) => each.startsWith(`${away.user_id} `)))
})

test('the same push_id again is not delivered again; with another content it is rejected', async () => {
  const ada = await crowd.newUser()
  const device = await crowd.online(ada)
  const push = order(toUsers(ada))
  await business.push(push)
  await arrives(device, push.push_id)
  ack(device, ada, push.push_id)
  await hears(push.push_id, `${ada.user_id} acked`)
  await business.push(push)
  await business.push({ ...push, text: 'something else' })
  await hears(push.push_id, '- rejected')
  await device.settle()
  assert.ok(!device.inbox.some(({ name }) => name === 'PUSH_DATA'))
  assert.deepEqual(told(push.push_id), [`${ada.user_id} sent`, `${ada.user_id} acked`, '- rejected'])
})

test('for who is offline: dropped, or stored until the next login, or notified', async () => {
  const [ada, bo, cy, di] = await Promise.all([1, 2, 3, 4].map(() => crowd.newUser()))
  const dropped = order(toUsers(ada!))
  const stored = order(toUsers(bo!), { offline: 'store' })
  const notified = order(toUsers(cy!, di!), { offline: 'notify', title: 'Order 7', body: 'is paid' })
  const phone = { client_type: 2, provider: 'log', token: 'phone' }
  assert.equal((await system.api.call('PUT', `/v1/users/${cy!.user_id}/push-tokens`, phone)).status, 200)
  const known = await crowd.online(cy!)
  known.cut()
  await conditionHolds('the phone is offline', async () => {
    const { body } = await system.api.get(`/v1/users/${cy!.user_id}/devices`)
    return body.devices.length === 0
  })

  for (const push of [dropped, stored, notified]) await business.push(push)
  await hears(dropped.push_id, `${ada!.user_id} dropped_offline`)
  await hears(stored.push_id, `${bo!.user_id} stored`)
  await hears(notified.push_id, `${cy!.user_id} notified`, `${di!.user_id} dropped_offline`)

  const bos = await crowd.online(bo!)
  await arrives(bos, stored.push_id)
  ack(bos, bo!, stored.push_id)
  await hears(stored.push_id, `${bo!.user_id} sent`, `${bo!.user_id} acked`)
  bos.cut()
  const again = await crowd.online(bo!)
  await again.settle()
  assert.ok(!again.inbox.some(({ name }) => name === 'PUSH_DATA'), 'what was acked came again')
})

test('a stored push expires with its ttl, and does not come at a login after it', async () => {
  const ada = await crowd.newUser()
  const push = order(toUsers(ada), { offline: 'store', ttl_seconds: 1 })
  await business.push(push)
  await hears(push.push_id, `${ada.user_id} stored`, `${ada.user_id} expired`)
  const device = await crowd.online(ada)
  await device.settle()
  assert.equal(device.inbox.length, 0)
})

test('what is not acked comes once more, then it is treated as if its receiver were offline', async () => {
  const [ada, bo] = [await crowd.newUser(), await crowd.newUser()]
  const [adas, bos] = [await crowd.online(ada), await crowd.online(bo)]
  const dropped = order(toUsers(ada))
  const stored = order(toUsers(bo), { offline: 'store' })
  await business.push(dropped)
  await business.push(stored)
  for (const [device, push] of [[adas, dropped] as const, [bos, stored] as const]) {
    await arrives(device, push.push_id)
    await arrives(device, push.push_id)
  }
  await hears(dropped.push_id, `${ada.user_id} dropped_offline`)
  await hears(stored.push_id, `${bo.user_id} stored`)
  assert.deepEqual(told(dropped.push_id), [`${ada.user_id} sent`, `${ada.user_id} dropped_offline`])
  await Promise.all([adas.settle(), bos.settle()])
  assert.ok(![...adas.inbox, ...bos.inbox].some(({ name }) => name === 'PUSH_DATA'), 'a third copy')
})

const faulty: [string, object, RegExp][] = [
  ['without a push_type', { push_type: undefined }, /^push_type: /],
  ['with a push_type of 65 bytes', { push_type: 'x'.repeat(65) }, /64 bytes/],
  ['without receivers', { to: undefined }, /^to: /],
  ['to nobody', { to: {} }, /exactly one of user_ids, group_id, online/],
  ['to users and everyone', { to: { user_ids: ['1'], online: true } }, /exactly one/],
  ['to no users', { to: { user_ids: [] } }, /^to\.user_ids: /],
  ['to a number', { to: { user_ids: [1001] } }, /^to\.user_ids\.0: /],
  ['to a group that is none', { to: { group_id: '7' } }, /not a group id/],
  ['to a group that is not there', { to: { group_id: String(2 ** 49) } }, /there is no group/],
  ['without a payload', { text: undefined }, /exactly one of payload, text, json/],
  ['with two payloads', { json: {} }, /exactly one of payload, text, json/],
  ['with a payload that is not base64', { text: undefined, payload: '*' }, /^payload: /],
  ['with a payload of 32,769 bytes', { text: 'x'.repeat(32_769) }, /32768 bytes/],
  ['with an unknown rule', { offline: 'shout' }, /^offline: /],
  ['with a ttl of 0', { ttl_seconds: 0 }, /^ttl_seconds: /],
  ['with a title of 257 characters', { title: 'x'.repeat(257) }, /^title: /],
]
test('a faulty request is rejected with its reason, and those after it are served', async () => {
  const ada = await crowd.newUser()
  const requests = faulty.map(([, more]) => order(toUsers(ada), more))
  for (const request of requests) await business.push(request)
  for (const [at, [what, , reason]] of faulty.entries()) {
    const { push_id } = requests[at]!
    await hears(push_id, '- rejected')
    const [result] = results.events.filter((each) => each.push_id === push_id)
    assert.match(result?.reason ?? '', reason, what)
  }
})

const useless: [string, Buffer, Record<string, string>][] = [
  ['that is no JSON', Buffer.from('{"push_id": '), {}],
  ['that is no text', Buffer.from([0xff, 0xfe, 0x00]), {}],
  ['that is a list', Buffer.from('[]'), {}],
  ['that is empty', Buffer.alloc(0), {}],
  ['without a push_id', Buffer.from('{"push_type": "x"}'), {}],
  ['with a number as its push_id', Buffer.from('{"push_id": 7}'), {}],
  ['with a push_id of 65 characters', Buffer.from(JSON.stringify({ push_id: 'x'.repeat(65) })), {}],
  ['in protobuf that is cut', Buffer.from([0x0a, 0x7f]), { 'content-type': 'application/x-protobuf' }],
]
test('what names no push goes to the dead letters, and those after it are served', async () => {
  const ada = await crowd.newUser()
  const device = await crowd.online(ada)
  for (const [, bytes, headers] of useless) await business.push(bytes, headers)
  const push = order(toUsers(ada))
  await business.push(push)
  await arrives(device, push.push_id)
  const name = deadLetterName(fullName(system.prefix, topics.pushRequested), 's2c-push')
  const letters = await readRecords(system, name)
  await conditionHolds('every dead letter', () => letters.records.length === useless.length)
  for (const [what, bytes] of useless)
    assert.ok(
      letters.records.some(({ value, headers }) => value.equals(bytes) && headers['dlq-reason']),
      what,
    )
  await letters.close()
})

test('a request may be protobuf, as its header says', async () => {
  const ada = await crowd.newUser()
  const device = await crowd.online(ada)
  const push_id = randomUUID()
  const { PushRequested } = coffeechat.business
  const to = { user_ids: [ada.user_id] }
  const bytes = PushRequested.encode({ push_id, push_type: 'x', to, payload: Buffer.of(0, 255) }).finish()
  await business.push(Buffer.from(bytes), { 'content-type': 'application/x-protobuf' })
  assert.deepEqual([...(await arrives(device, push_id)).payload], [0, 255])
  const lacking = PushRequested.encode({ push_id: `${push_id}2`, push_type: 'x', to }).finish()
  await business.push(Buffer.from(lacking), { 'content-type': 'application/x-protobuf' })
  await hears(`${push_id}2`, '- rejected')
})

test('POST /v1/pushes does the same, and GET shows what became of it', async () => {
  const [ada, bo] = [await crowd.newUser(), await crowd.newUser()]
  const device = await crowd.online(ada)
  const push = order(toUsers(ada, bo, 404_404), { offline: 'store' })
  const first = await system.api.post('/v1/pushes', push)
  assert.deepEqual([first.status, first.body], [201, { push_id: push.push_id }])
  await arrives(device, push.push_id)
  ack(device, ada, push.push_id)
  await hears(push.push_id, `${ada.user_id} acked`, `${bo.user_id} stored`, '404404 rejected')
  assert.equal((await system.api.post('/v1/pushes', push)).status, 200)
  const taken = await system.api.post('/v1/pushes', { ...push, text: 'other' })
  assert.deepEqual([taken.status, taken.body.error.code], [409, 'ERROR'])

  const { body } = await system.api.get(`/v1/pushes/${push.push_id}?limit=2`)
  const states = (page: { receivers: { user_id: string; state: string }[] }) =>
    page.receivers.map(({ user_id, state }) => `${user_id} ${state}`)
  assert.deepEqual(states(body), [`${ada.user_id} acked`, `${bo.user_id} stored`])
  assert.ok(body.receivers[0].sent_time <= body.receivers[0].acked_time)
  const next = await system.api.get(`/v1/pushes/${push.push_id}?cursor=${body.cursor}`)
  assert.deepEqual(states(next.body), ['404404 rejected'])
  assert.equal((await system.api.get(`/v1/pushes/${randomUUID()}`)).status, 404)
})

const refused: [string, object, number, string][] = [
  ['without receivers', { to: undefined }, 400, 'BAD_REQUEST'],
  ['to nobody', { to: {} }, 400, 'BAD_REQUEST'],
  ['with two payloads', { json: {} }, 400, 'BAD_REQUEST'],
  ['without a push_id', { push_id: undefined }, 400, 'BAD_REQUEST'],
  ['to a group that is not there', { to: { group_id: String(2 ** 49) } }, 404, 'GROUP_NOT_EXIST'],
]
for (const [what, more, status, code] of refused)
  test(`POST /v1/pushes ${what} is ${status} ${code}`, async () => {
    const answer = await system.api.post('/v1/pushes', order({ user_ids: ['1'] }, more))
    assert.deepEqual([answer.status, answer.body.error.code], [status, code])
  })
