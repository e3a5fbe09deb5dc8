/** What delivery decides, by tables: pure, no broker. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coffeechat } from '../../proto/index.js'
import { parseDeviceKey } from '../../schemas/ids.js'
import { topics } from '../../schemas/topics.js'
import { delivery } from '../../workers/delivery.worker.js'
import type { PresentDevice } from '../../workers/ports/presence.js'

import event = coffeechat.event

const place = { topic: 't', partition: 0, offset: 0, appended: 0 }

const present = (user_id: number, key: string, gate_id = 'g1', login_number = 7): PresentDevice => ({
  user_id,
  device: parseDeviceKey(key),
  gate_id,
  gate_epoch: 1,
  connection_id: user_id * 10,
  login_number,
  since: 0,
})

const request = (readers: number[] = [2]): event.IDeliveryRequested => ({
  ref: {
    from_user_id: 1,
    to_session_id: 2,
    msg_id: 'm',
    session_type: 1,
    conversation: 'c:1:2',
    server_msg_id: 5,
  },
  body: Buffer.from('body'),
  reader_user_id: readers,
  origin: {
    gate_id: 'g1',
    gate_epoch: 1,
    connection_id: 10,
    login_number: 3,
    user_id: 1,
    device: { client_type: 2 },
    seq_num: 4,
  },
  stored_time: 100,
  msg_type: 1,
})

const decide = (devices: PresentDevice[], phones: Record<number, string[]> = {}, asked = request()) => {
  const byUser = new Map<number, PresentDevice[]>()
  for (const each of devices) byUser.set(each.user_id, [...(byUser.get(each.user_id) ?? []), each])
  const known = new Map(
    Object.entries(phones).map(([user, keys]) => [Number(user), keys.map(parseDeviceKey)]),
  )
  const outcomes = delivery.decide(asked, { present: byUser, phones: known, late: new Map() }, place)
  const of = <E>(topic: { name: string }) =>
    outcomes
      .filter((each) => each.kind === 'emit' && each.topic.name === topic.name)
      .map((each) => each as unknown as { event: E; instance?: string })
  return {
    outbound: of<event.IOutbound>(topics.gateOutbound),
    checks: of<event.IDeliveryCheck>(topics.deliveryCheck5s),
    pushes: of<event.IPushTriggered>(topics.pushTriggered),
  }
}

test("each gate gets one packet with all of its readers' logins", () => {
  const { outbound } = decide([present(2, '2'), present(2, '3'), present(2, '5', 'g2')])
  assert.deepEqual(
    outbound.map((each) => [each.instance, each.event.packet?.[0]?.target?.length]),
    [
      ['g1', 2],
      ['g2', 1],
    ],
  )
})

test('readers at one gate share one packet, and all share one check', () => {
  const group = [present(2, '2'), present(3, '2', 'g2'), present(4, '2'), present(4, '3', 'g2')]
  const { outbound, checks } = decide(group, {}, request([2, 3, 4, 5]))
  assert.deepEqual(
    outbound.map((each) => [each.instance, each.event.packet?.[0]?.target?.map((target) => target.user_id)]),
    [
      ['g1', [2, 4]],
      ['g2', [3, 4]],
    ],
  )
  assert.equal(checks.length, 1)
  const [entry, ...others] = checks[0]?.event.entry ?? []
  assert.deepEqual(others, [])
  assert.deepEqual(
    entry?.reader?.map(({ user_id, sent_to }) => [user_id, sent_to?.length]),
    [
      [2, 1],
      [3, 1],
      [4, 2],
      [5, 0],
    ],
  )
})

test("a part for readers only is nothing to the sender's other devices", () => {
  const { outbound } = decide([present(1, '3')], {}, { ...request(), readers_only: true })
  assert.deepEqual(outbound, [])
})

test("the sender's other devices get a copy marked SYNC_MSG, the writing one none", () => {
  const { outbound, checks } = decide([present(1, '2'), present(1, '3')])
  const packet = outbound[0]?.event.packet?.[0]
  assert.deepEqual(
    packet?.target?.map((target) => target.device?.client_type),
    [3],
  )
  assert.deepEqual([...(packet?.body.subarray(-3) ?? [])], [0xc8, 0x01, 3])
  assert.deepEqual(checks[1]?.event.entry?.[0]?.sender_device, { client_type: 2 })
})

test('a phone that is known and offline is to be notified though a PC is online', () => {
  const { pushes } = decide([present(2, '5')], { 2: ['2', '1:abc'] })
  assert.deepEqual(
    pushes.map((each) => each.event.device),
    [{ client_type: 2 }, { client_type: 1, device_id: 'abc' }],
  )
  assert.ok(pushes.every((each) => each.event.reason === event.PushReason.PUSH_REASON_OFFLINE))
})

test('a phone that is online is not notified', () => {
  assert.deepEqual(decide([present(2, '2')], { 2: ['2'] }).pushes, [])
})

test('nobody is notified of a NOTIFICATION', () => {
  const { pushes, checks } = decide([], { 2: ['2'] }, { ...request(), msg_type: 6 })
  assert.deepEqual(pushes, [])
  assert.equal(checks.length, 1)
})

test('a message that finds nobody online gets the first check too', () => {
  const { outbound, checks } = decide([])
  assert.equal(outbound.length, 0)
  assert.deepEqual(checks[0]?.event.entry?.[0]?.sent_to, [])
})

test('a record of checks is bounded by its readers', () => {
  const readers = Array.from({ length: 500 }, (_, at) => at + 2)
  const one = decide([], {}, request(readers)).checks.map((each) => each.event)
  const merged = topics.deliveryCheck5s.merge?.(Array.from({ length: 100 }, () => one).flat()) ?? []
  assert.equal(merged.flatMap((each) => each.entry ?? []).length, 100)
  for (const each of merged) assert.ok(topics.deliveryCheck5s.encode(each).length < 512 * 1024)
})

test('the parts of one message are one packet in a record, in its place, with the readers of all', () => {
  const online = [present(2, '2'), present(3, '2'), present(4, '2')]
  const other = { ...request([4]), ref: { ...request().ref, msg_id: 'n' } }
  const outbound = [request([2]), other, { ...request([3]), readers_only: true }].flatMap((asked) =>
    decide(online, {}, asked).outbound.map((each) => each.event),
  )
  const [merged, ...further] = topics.gateOutbound.merge?.(outbound) ?? []
  assert.deepEqual(further, [])
  assert.deepEqual(
    merged?.packet?.map(({ ref, target }) => [ref?.msg_id, target?.map(({ user_id }) => user_id)]),
    [
      ['m', [2, 3]],
      ['n', [4]],
    ],
  )
})

test('the checks of one batch share a record', () => {
  const one = decide([present(2, '2')]).checks.map((each) => each.event)
  const merged = topics.deliveryCheck5s.merge?.([...one, ...one, ...one])
  assert.deepEqual(
    merged?.map((each) => each.entry?.length),
    [3],
  )
})
