/**
 * Notifications of a group above GROUP_WRITE_DIFFUSION_MAX, whose messages give their readers no rows: the same rules
 * and the same exact badge as in any group (spec 2, "Offline push" and "Group chat" 7; docs/push.md).
 */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const { CIMClientType } = CIM.Def
const ios = CIMClientType.kCIM_CLIENT_TYPE_IOS
const desktop = CIMClientType.kCIM_CLIENT_TYPE_PC_WINDOWS

interface Notified {
  readonly user_id: string
  readonly msg_id: string
  readonly title: string
  readonly body: string
  readonly badge: number
}

let provider: Server
const notified: Notified[] = []
let system: System
let crowd: Crowd
let ann: User
let bo: User
let cy: User
let di: User
let anns: Device
let group: number

before(async () => {
  provider = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    notified.push(JSON.parse(text) as Notified)
    response.end('{}')
  }).listen(0, '127.0.0.1')
  await new Promise((listening) => provider.once('listening', listening))
  system = await startSystem({
    gateways: 2,
    env: {
      GROUP_WRITE_DIFFUSION_MAX: '2',
      PUSH_PROVIDER: 'webhook',
      PUSH_WEBHOOK_URL: `http://127.0.0.1:${(provider.address() as AddressInfo).port}/`,
      DELIVERY_CHECK_DELAYS_MS: '1500,500,500',
      ACK_FLUSH_CRON: '*/1 * * * * *',
    },
  })
  crowd = createCrowd(system)
  ;[ann, bo, cy, di] = [
    await crowd.newUser(),
    await crowd.newUser(),
    await crowd.newUser(),
    await crowd.newUser(),
  ]
  for (const user of [bo, cy, di]) await away(user)
  anns = await crowd.online(ann, { client_type: desktop })
  const created = await call('POST', '/v1/groups', {
    owner_id: String(ann.user_id),
    group_name: 'crew',
    members: [bo, cy, di].map(({ user_id }) => String(user_id)),
  })
  group = Number(created.group_id ?? created.group.group_id)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
  provider?.close()
})

const call = async (method: string, path: string, body?: object) => {
  const answer = await system.api.call(method, path, body)
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

async function isOffline({ user_id }: User): Promise<boolean> {
  return (await call('GET', `/v1/users/${user_id}/devices`)).devices.length === 0
}

/** A phone with a push token that was online once, and is away. */
async function away(user: User): Promise<void> {
  const token = { client_type: ios, provider: 'webhook', token: `token of ${user.user_id}` }
  await call('PUT', `/v1/users/${user.user_id}/push-tokens`, token)
  const phone = await crowd.online(user, { client_type: ios })
  phone.cut()
  await conditionHolds('the phone is offline', () => isOffline(user))
}

async function say(text: string, mention: readonly User[] = []): Promise<string> {
  const to = { session_type: 2, mention_user_id: mention.map(({ user_id }) => user_id) }
  const msg_id = anns.send(group, text, to)
  assert.equal((await anns.acked(msg_id)).res_code, 0)
  return msg_id
}

/** What each of them was shown of a message, once so many were. */
async function shown(msg_id: string, count: number): Promise<Record<string, string>> {
  const found = () => notified.filter((each) => each.msg_id === msg_id)
  await conditionHolds(`${count} notifications`, async () => found().length >= count)
  return Object.fromEntries(
    found().map((each) => [each.user_id, `${each.title}: ${each.body} (${each.badge})`]),
  )
}

test('every member whose phone is away is notified once, with the exact badge', async () => {
  const text = `u${ann.user_id}: one`
  const first = await shown(await say('one'), 3)
  assert.deepEqual(
    first,
    Object.fromEntries([bo, cy, di].map(({ user_id }) => [String(user_id), `crew: ${text} (1)`])),
  )
  const second = await shown(await say('two'), 3)
  assert.equal(second[bo.user_id], `crew: u${ann.user_id}: two (2)`)
})

test('who is online and acks is not notified, who has read has a smaller badge, and a mute holds', async () => {
  const phone = await crowd.online(cy, { client_type: ios })
  await call('PATCH', `/v1/users/${di.user_id}/sessions/${group}`, { is_muted: true })
  const three = await say('three')
  await phone.received(three)
  assert.deepEqual(await shown(three, 1), { [bo.user_id]: `crew: u${ann.user_id}: three (3)` })
  phone.put('MSG_READ_ACK', { user_id: cy.user_id, session_id: group, msg_id: three, session_type: 2 })
  const listed = async () => (await call('GET', `/v1/users/${cy.user_id}/sessions`)).unread_total
  await conditionHolds('all is read', async () => Number(await listed()) === 0)
  phone.cut()
  await conditionHolds('the phone is offline', () => isOffline(cy))

  const four = await shown(await say('@di four', [di]), 3)
  const text = `crew: u${ann.user_id}: @di four`
  assert.deepEqual(four, {
    [bo.user_id]: `${text} (4)`,
    [cy.user_id]: `${text} (1)`,
    [di.user_id]: `${text} (4)`,
  })
})

test('who was removed from the group is not notified any more', async () => {
  await call('DELETE', `/v1/groups/${group}/members`, { members: [String(bo.user_id)] })
  const five = await say('five')
  assert.deepEqual(Object.keys(await shown(five, 1)), [String(cy.user_id)], 'and Di has muted it')
})

test('none of it was shown twice', () => {
  const names = notified.map(({ user_id, msg_id }) => `${user_id} ${msg_id}`)
  assert.equal(new Set(names).size, names.length)
})
