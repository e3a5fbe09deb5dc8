/**
 * kill -9 of the processes that notify, in the middle of load: every notification that the rules call for goes out, and
 * what is repeated is repeated under the same id (docs/push.md, "Once, and again").
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import { type PushServers, startPushServers } from '../helpers/push-servers.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const { CIMClientType } = CIM.Def
const [ios, android] = [CIMClientType.kCIM_CLIENT_TYPE_IOS, CIMClientType.kCIM_CLIENT_TYPE_ANDROID]
const senders = 10
const readersPerProvider = 4
const recovery_ms = 90_000
const others = ['gateway', 'presence', 'message-store', 'ack-tracker', 'login', 'queries', 'users']
const late = ['delivery', 'delivery-check', 'delivery-missed']

/** A phone that is away, and the provider of its token. */
interface Phone {
  readonly user: User
  readonly provider: 'apns' | 'fcm' | 'webhook'
  readonly token: string
}

/** One call to a provider. `id`: what a repeat has in common with the first. */
interface Call {
  readonly token: string
  readonly msg_id: string
  readonly id: string
}

const posted: Call[] = []
const webhook = createServer(async (request, response) => {
  const { token, msg_id, notification_id } = (await json(request)) as Record<string, string>
  posted.push({ token: token!, msg_id: msg_id!, id: notification_id! })
  response.end()
})
let servers: PushServers
let system: System
let crowd: Crowd

before(async () => {
  servers = await startPushServers()
  webhook.listen(0, '127.0.0.1')
  await once(webhook, 'listening')
  system = await startSystem({
    roles: [others, late, ['offline-push']],
    env: {
      ...servers.env,
      PUSH_WEBHOOK_URL: `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/`,
      PUSH_RETRY_DELAYS_MS: '500,500,500',
      DELIVERY_CHECK_DELAYS_MS: '1500,500,500',
      DATABASE_POOL: '2',
    },
  })
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
  await servers?.close()
  webhook.closeAllConnections()
  webhook.close()
})

/** A user whose phone was online once, has a token, and is away. */
async function newPhone(provider: Phone['provider']): Promise<Phone> {
  const user = await crowd.newUser()
  const client_type = provider === 'apns' ? ios : android
  const token = provider === 'apns' ? user.user_id.toString(16).padStart(16, '0') : `token-of-${user.user_id}`
  const device = await crowd.online(user, { client_type })
  const path = `/v1/users/${user.user_id}`
  await system.api.call('PUT', `${path}/push-tokens`, { client_type, provider, token })
  device.cut()
  await conditionHolds(
    'the phone is offline',
    async () => (await system.api.get(`${path}/devices`)).body.devices.length === 0,
  )
  return { user, provider, token }
}

/** Everything that the three servers got. */
const calls = (): Call[] => [
  ...servers.apns.received.map(({ token, payload, apnsId }) => ({
    token,
    msg_id: payload.msg_id,
    id: apnsId,
  })),
  // It knows no id: one tag shows one notification.
  ...servers.fcm.received.map(({ token, data, android: shown }) => ({
    ...{ token, msg_id: data.msg_id, id: shown.notification.tag },
  })),
  ...posted,
]
const nameOf = ({ token, msg_id }: Pick<Call, 'token' | 'msg_id'>) => `${token} ${msg_id}`
const notified = () => new Set(calls().map(nameOf))

test('kill -9 in the middle of load loses no notification, and repeats only under the same id', async (t) => {
  const providers = ['apns', 'fcm', 'webhook'] as const
  const phones: Phone[] = []
  for (const provider of providers)
    for (let count = 0; count < readersPerProvider; count++) phones.push(await newPhone(provider))
  const people = await Promise.all(Array.from({ length: senders }, () => crowd.newUser()))

  const expected = new Set<string>()
  /** Every sender says something to every phone's user, never far ahead: each kill is in the middle of it. */
  async function writeAll(): Promise<void> {
    for (const [at, { user_id }] of people.entries()) {
      await conditionHolds('so many are notified', () => expected.size - notified().size < 30, recovery_ms)
      await Promise.all(
        phones.map(async ({ user, token }) => {
          const msg_id = `from-${at}-to-${user.user_id}`
          const to = { from_user_id: String(user_id), to_user_id: String(user.user_id) }
          const { status } = await system.api.post('/v1/messages', { ...to, msg_id, msg_type: 1, text: 'hi' })
          assert.equal(status, 201)
          expected.add(nameOf({ token, msg_id }))
        }),
      )
    }
  }
  async function killAt(share: number, name: string): Promise<void> {
    const wanted = share * senders * phones.length
    await conditionHolds(`${wanted} notified`, () => notified().size >= wanted, recovery_ms)
    const victim = system.processes.get(name)!
    await victim.kill('SIGKILL')
    t.diagnostic(`killed: ${name}, at ${notified().size} notifications`)
    await victim.restart()
  }
  const killing = (async () => {
    await killAt(0.1, 'offline-push')
    await killAt(0.35, late.join(','))
    await killAt(0.6, 'offline-push')
  })()
  await Promise.all([writeAll(), killing])
  const missing = () => [...expected].filter((each) => !notified().has(each))
  await conditionHolds('all are notified', () => missing().length === 0, recovery_ms).catch((error: Error) =>
    assert.fail(`${error.message}; missing: ${missing().slice(0, 5)}, ${missing().length} in all`),
  )
  assert.deepEqual([...notified()].sort(), [...expected].sort(), 'nobody else is notified of anything')

  const ids = new Map<string, Set<string>>()
  for (const call of calls()) ids.set(nameOf(call), (ids.get(nameOf(call)) ?? new Set()).add(call.id))
  const doubled = [...ids].filter(([, { size }]) => size > 1)
  assert.deepEqual(doubled, [], 'one notification, one id')
  t.diagnostic(`${calls().length - expected.size} of ${expected.size} came twice`)

  for (const { user } of phones) {
    const path = `/v1/users/${user.user_id}/notifications?limit=100`
    const states = async () =>
      (await system.api.get(path)).body.notifications.map((row: { state: string }) => row.state)
    await conditionHolds(
      'the ledger says so',
      async () => (await states()).join() === Array(senders).fill('sent').join(),
    )
  }
})
