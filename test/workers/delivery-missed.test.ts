/** What follows from a delivery that a gate could not make, on a real Redis. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPresence } from '../../infra/redis/presence.js'
import type { coffeechat } from '../../proto/index.js'
import { type DeviceName, parseDeviceKey } from '../../schemas/ids.js'
import { deliveryMissed } from '../../workers/delivery-missed.worker.js'
import type { PresentDevice } from '../../workers/ports/presence.js'
import { freshRedis } from '../helpers/redis.js'

const { redis, keys } = freshRedis()
const presence = createPresence({ redis, keys, policy: 'one-per-type' })
let lastOffset = 0
let lastUser = 100

const loginOf = (user_id: number, login_number: number): PresentDevice => ({
  user_id,
  device: parseDeviceKey('2:phone'),
  gate_id: 'g1',
  gate_epoch: 5,
  connection_id: 9,
  login_number,
  since: 0,
})

/** Names of the topics and what was said on them. */
async function missed(
  login: PresentDevice,
  phones: DeviceName[],
  from_user_id = 1,
  offset = ++lastOffset,
): Promise<readonly (readonly [string, unknown])[]> {
  const row: coffeechat.event.IDeliveryMissed = {
    login,
    ref: {
      from_user_id,
      to_session_id: login.user_id,
      msg_id: 'm',
      session_type: 1,
      conversation: 'c',
      server_msg_id: 4,
    },
    time: 1_000,
    msg_type: 1,
  }
  const ports = { presence, phones: { of: async () => new Map([[login.user_id, phones]]) } }
  const place = { topic: 'delivery.missed', partition: 0, offset, appended: 0 }
  const [saved] = await deliveryMissed.save!([row], ports, [place])
  return deliveryMissed.saved!(row, saved!).map(({ topic, event }) => [
    topic.name,
    'state' in event ? event.state : [event.device, event.reason, event.msg_type],
  ])
}

const phone = { client_type: 2, device_id: 'phone' }

test('the presence goes, and the phone is to be notified', async () => {
  const login = loginOf(++lastUser, 3)
  await presence.login([login])
  assert.deepEqual(await missed(login, [phone, { client_type: 1 }]), [
    ['presence.changed', 'offline'],
    ['push.triggered', [phone, 3, 1]],
  ])
  assert.deepEqual(await presence.of([login.user_id]), new Map())
  assert.deepEqual(
    await missed(login, [phone]),
    [['push.triggered', [phone, 3, 1]]],
    'the same again: the ledger tells repetitions',
  )
})

test('a newer login of the device stays, and gets no notification', async () => {
  const user = ++lastUser
  await presence.login([loginOf(user, 8)])
  assert.deepEqual(await missed(loginOf(user, 3), [phone]), [])
  assert.equal((await presence.of([user])).get(user)?.length, 1)
})

test('a device that cannot be notified, and one that misses its own user’s message, only go offline', async () => {
  const [a, b] = [loginOf(++lastUser, 3), loginOf(++lastUser, 4)]
  await presence.login([a, b])
  assert.deepEqual(await missed(a, []), [['presence.changed', 'offline']])
  assert.deepEqual(await missed(b, [phone], b.user_id), [['presence.changed', 'offline']])
})

test('a record that is handled again, as its worker died before publishing, says again that the device is offline', async () => {
  const login = loginOf(++lastUser, 3)
  await presence.login([login])
  const offset = ++lastOffset
  for (let times = 0; times < 2; times++)
    assert.deepEqual(await missed(login, [], 1, offset), [['presence.changed', 'offline']])
  assert.deepEqual(await missed(login, []), [], 'the next message that the gate missed says nothing new')
})

test('what a gate has taken offline itself is not said again', async () => {
  const login = loginOf(++lastUser, 3)
  await presence.login([login])
  await presence.remove([login])
  assert.deepEqual(await missed(login, []), [])
})
