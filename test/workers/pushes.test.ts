/** What becomes of a push for who was not reached (spec 3, "For businesses"). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressed } from '../../gateway/pushes.js'
import { CIM, type coffeechat } from '../../proto/index.js'
import { topics } from '../../schemas/topics.js'
import { pushTo, toldUnreached, unreached } from '../../workers/kit/pushes.js'
import type { OfflineRule, StoredPush } from '../../workers/ports/pushes.js'

const push = (offline: OfflineRule): StoredPush => ({
  push_id: 'p',
  push_type: 'order.paid',
  payload: Buffer.from([1, 2, 3]),
  offline,
  title: 't',
  body: null,
  created: 1_000,
  expires: 2_000,
})
const phone = { client_type: 2 }

const rules: [OfflineRule, number, boolean, string][] = [
  ['drop', 1_500, false, 'dropped_offline'],
  ['drop', 1_500, true, 'dropped_offline'],
  ['store', 1_500, true, 'stored'],
  ['notify', 1_500, true, 'notified'],
  ['notify', 1_500, false, 'dropped_offline'],
  ['store', 2_000, true, 'expired'],
  ['drop', 2_000, false, 'expired'],
  ['notify', 3_000, true, 'expired'],
]
for (const [rule, now, hasPhone, state] of rules)
  test(`${rule} at ${now} ${hasPhone ? 'with' : 'without'} a phone: ${state}`, () => {
    assert.equal(unreached(push(rule), 1, hasPhone ? [phone] : [], now).state, state)
  })

test('who is notified is notified once per phone, with what the business wants to be shown', () => {
  const change = unreached(push('notify'), 7, [phone], 1_500)
  const [result, trigger] = toldUnreached(push('notify'), change, [phone], 1_500)
  assert.deepEqual(result?.event, { push_id: 'p', user_id: '7', outcome: 'notified', time: 1_500 })
  assert.equal(trigger?.topic, topics.pushTriggered)
  const { reader_user_id, device, notice } = (trigger?.event ?? {}) as coffeechat.event.IPushTriggered
  assert.deepEqual([reader_user_id, device, notice], [7, phone, { title: 't', body: '' }])
})

test('the gate completes the packet of each receiver, whatever the length of its id', () => {
  const login = { device: phone, gate_id: 'g', gate_epoch: 1, connection_id: 1, login_number: 1, since: 1 }
  const [record] = pushTo([{ user_id: 1, ...login }], push('drop'))
  const { body } = (record?.event.packet ?? [])[0]!
  for (const user_id of [1, 127, 128, 16_384, 2 ** 32, 2 ** 48 - 1]) {
    const decoded = CIM.Message.CIMPushData.decode(addressed(user_id, body))
    assert.deepEqual(
      { ...decoded, payload: [...decoded.payload] },
      { user_id, push_id: 'p', push_type: 'order.paid', create_time: 1_000, payload: [1, 2, 3] },
    )
  }
})
