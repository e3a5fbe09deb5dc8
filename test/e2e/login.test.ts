/** Login, presence, logout and kick on two gateways (spec 2, "Login, presence, kick"). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CIM } from '../../proto/index.js'
import type { PresenceChangedJson } from '../../schemas/business-events.js'
import { topics } from '../../schemas/topics.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import type { Device } from '../helpers/device.js'
import { type System, startSystem } from '../helpers/system.js'
import { readTopic, type TopicReader } from '../helpers/topic.js'
import { conditionHolds } from '../helpers/wait.js'

const { CIMClientType, CIMErrorCode, CIMKickReason } = CIM.Def
const { kCIM_CLIENT_TYPE_IOS: ios, kCIM_CLIENT_TYPE_WEB: web } = CIMClientType

let system: System
let crowd: Crowd
let presence: TopicReader<PresenceChangedJson>
before(async () => {
  system = await startSystem({ gateways: 2, env: { MIN_CLIENT_VERSION: '2.0' } })
  crowd = createCrowd(system)
  presence = await readTopic(system, topics.presenceChanged)
})
after(async () => {
  crowd?.leave()
  await presence?.close()
  await system?.stop()
})

const typesOnline = async ({ user_id }: User): Promise<number[]> => {
  const { body } = await system.api.get(`/v1/users/${user_id}/devices`)
  return body.devices.map((device: { client_type: number }) => device.client_type).toSorted()
}

const statesOf = ({ user_id }: User) =>
  presence.events.filter((event) => event.user_id === String(user_id)).map(({ state }) => state)

const hasStates = (user: User, ...states: string[]) =>
  conditionHolds(
    `presence ${states} of ${user.user_id}`,
    () => statesOf(user).join() === states.join(),
  ).catch((error: Error) => {
    throw new Error(`${error.message}; there were: ${statesOf(user)}`)
  })

async function kicked(device: Device, reason: number, client_type: number = ios): Promise<void> {
  const { body } = await device.next('KICK_NOTIFY')
  assert.deepEqual([body.reason, body.client_type], [reason, client_type])
  await device.closed()
}

const refusal = async (user_id: number, token: string, more: object = {}): Promise<number> => {
  const device = await crowd.stranger()
  const { result_code, user_info } = await device.login(user_id, token, more)
  assert.equal(user_info, null)
  await device.closed()
  return result_code
}

test('a login is answered with the time and the user, and is present from then on', async () => {
  const user = await crowd.newUser()
  const device = await crowd.stranger()
  const rsp = await device.login(user.user_id, user.token, { nick_name: 'Ada ☕', client_version: '2.0.1' })
  assert.equal(rsp.result_code, CIMErrorCode.kCIM_ERR_SUCCSSE)
  assert.ok(Math.abs(rsp.server_time - Date.now() / 1_000) < 10)
  assert.deepEqual([rsp.user_info?.user_id, rsp.user_info?.nick_name], [user.user_id, 'Ada ☕'])
  assert.deepEqual(await typesOnline(user), [ios])
  const profile = await system.api.get(`/v1/users/${user.user_id}`)
  assert.equal(profile.body.nick_name, 'Ada ☕', 'another nick name updates the stored one')
  device.cut()
  await hasStates(user, 'online', 'offline')
  assert.deepEqual(await typesOnline(user), [])
})

test('a wrong token and an unknown user look the same, and both are closed', async () => {
  const user = await crowd.newUser()
  const wrong = CIMErrorCode.kCIM_ERR_LOGIN_INVALID_USER_TOKEN
  assert.equal(await refusal(user.user_id, 'wrong'), wrong)
  assert.equal(await refusal(9_999_999, user.token), wrong)
})

test('a client version below MIN_CLIENT_VERSION is too old, and is closed', async () => {
  const user = await crowd.newUser()
  const old = await refusal(user.user_id, user.token, { client_version: '1.9.9' })
  assert.equal(old, CIMErrorCode.kCIM_ERR_LOGIN_VERSION_TOO_OLD)
})

test('a second iOS login kicks the first, on another gateway too; a Web login beside it stays', async () => {
  const user = await crowd.newUser()
  const first = await crowd.online(user, { gateway: system.gateways[0]! })
  const beside = await crowd.online(user, { gateway: system.gateways[0]!, client_type: web, over: 'ws' })
  const second = await crowd.online(user, { gateway: system.gateways[1]! })
  await kicked(first, CIMKickReason.kCIM_KICK_REASON_SAME_DEVICE_LOGIN)
  await second.settle()
  await beside.settle()
  assert.deepEqual(await typesOnline(user), [ios, web])
})

test('a message reaches its receiver across gateways, and every device of it', async () => {
  const [here, there] = [system.gateways[0]!, system.gateways[1]!]
  const { bo, adas, bos } = await crowd.pair({ gateway: here }, { gateway: there })
  const bosWeb = await crowd.online(bo, { gateway: here, over: 'ws', client_type: web })
  const msg_id = adas.send(bo.user_id, 'across')
  assert.equal((await adas.acked(msg_id)).res_code, 0)
  await bos.received(msg_id)
  await bosWeb.received(msg_id)
})

test('simultaneous logins on two gateways leave exactly one', async () => {
  for (let round = 1; round <= 6; round++) {
    const user = await crowd.newUser()
    const strangers = await Promise.all(
      [0, 1, 0, 1].map((at) => crowd.stranger({ gateway: system.gateways[at]! })),
    )
    await Promise.allSettled(strangers.map((device) => device.login(user.user_id, user.token)))
    await conditionHolds(
      'all but one are closed',
      () => strangers.filter((device) => !device.isClosed()).length === 1,
    )
    const [last] = strangers.filter((device) => !device.isClosed())
    await last!.settle()
    assert.deepEqual(await typesOnline(user), [ios])
    const msg_id = (await system.api.post('/v1/messages', noteTo(user))).body.msg_id
    await last!.received(msg_id)
    last!.cut()
  }
})

const noteTo = ({ user_id }: User) => ({
  from_user_id: String(user_id),
  to_user_id: String(user_id),
  msg_id: `note-to-${user_id}`,
  msg_type: 1,
  text: 'for the one that is left',
})

test('a logout is answered and closed, and the device is offline at once', async () => {
  const user = await crowd.newUser()
  const device = await crowd.online(user)
  const { result_code } = await device.ask(
    'LOGOUT_REQ',
    { user_id: user.user_id, client_type: ios },
    'LOGOUT_RSP',
  )
  assert.equal(result_code, 0)
  await device.closed()
  assert.deepEqual(await typesOnline(user), [])
  await hasStates(user, 'online', 'logged_out')
})

test('the app server kicks one client type, or every device', async () => {
  const user = await crowd.newUser()
  const phone = await crowd.online(user)
  const page = await crowd.online(user, { client_type: web, over: 'ws', gateway: system.gateways[1]! })
  const path = `/v1/users/${user.user_id}:kick`
  assert.equal((await system.api.post(path, { client_type: web })).status, 200)
  await kicked(page, CIMKickReason.kCIM_KICK_REASON_ADMIN, web)
  await phone.settle()
  assert.equal((await system.api.post(path)).status, 200)
  await kicked(phone, CIMKickReason.kCIM_KICK_REASON_ADMIN)
  assert.deepEqual(await typesOnline(user), [])
})

test('a rotated token kicks its devices; the old one is refused, the new one is not', async () => {
  const user = await crowd.newUser()
  const device = await crowd.online(user)
  const { body } = await system.api.post(`/v1/users/${user.user_id}/token:rotate`)
  await kicked(device, CIMKickReason.kCIM_KICK_REASON_TOKEN_REVOKED)
  assert.notEqual(body.token, user.token)
  assert.equal(await refusal(user.user_id, user.token), CIMErrorCode.kCIM_ERR_LOGIN_INVALID_USER_TOKEN)
  await crowd.online({ ...user, token: body.token })
  const { body: again } = await system.api.get(`/v1/users/${user.user_id}/token`)
  assert.equal(again.token, body.token)
})

test('a deactivated user is kicked and refused, and their messages are kept', async () => {
  const { ada, bo, adas, bos } = await crowd.pair()
  await adas.say(bo.user_id, 'kept')
  assert.equal((await system.api.call('DELETE', `/v1/users/${ada.user_id}`)).status, 200)
  await kicked(adas, CIMKickReason.kCIM_KICK_REASON_USER_DEACTIVATED)
  assert.equal(await refusal(ada.user_id, ada.token), CIMErrorCode.kCIM_ERR_LOGIN_DB_VALIDATE_FAILED)
  const page = { user_id: bo.user_id, session_type: 1, session_id: ada.user_id }
  const { msg_list } = await bos.ask(
    'MSG_LIST_REQ',
    { ...page, end_msg_id: 0, limit_count: 0 },
    'MSG_LIST_RSP',
  )
  assert.equal(msg_list.length, 1)
})

test('after the failures of the tests above a wrong token waits longer each time, and a right one never', async () => {
  const user = await crowd.newUser()
  const waits_ms: number[] = []
  for (let failure = 1; failure <= 2; failure++) {
    const begun = performance.now()
    await refusal(user.user_id, 'wrong')
    waits_ms.push(performance.now() - begun)
  }
  assert.ok(waits_ms[0]! >= 480 && waits_ms[1]! >= 980, `they waited ${waits_ms} ms`)
  const begun = performance.now()
  await crowd.online(user)
  assert.ok(performance.now() - begun < waits_ms[1]!)
})

test('the devices of a gateway that was killed go offline with its lease, and log in again where it is back', async () => {
  const gateway = system.gateways[1]!
  const user = await crowd.newUser()
  const lost = await crowd.online(user, { gateway })
  await hasStates(user, 'online')
  await gateway.process.kill('SIGKILL')
  await lost.closed()
  const lease_ms = 12_000
  await conditionHolds('it is offline', () => statesOf(user).at(-1) === 'offline', lease_ms + 15_000)
  assert.deepEqual(await typesOnline(user), [])
  await gateway.process.restart()
  const back = await crowd.online(user, { gateway })
  await back.settle()
  assert.deepEqual(await typesOnline(user), [ios])
})
