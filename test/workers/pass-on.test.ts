/** What a newer release wrote into an event is still there when an older worker has passed it on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '../../schemas/topics.js'
import { deliveryCheck5s } from '../../workers/delivery-check.worker.js'
import type { Emit } from '../../workers/kit/worker.js'
import { pushCheck5s } from '../../workers/push-check.worker.js'
import { eventTypes, fromTheFuture, messagesOfNewerRelease, sampleOf } from '../helpers/newer-release.js'

const newer = new Map(eventTypes(messagesOfNewerRelease()).map((type) => [type.name, type]))
/** As a newer release wrote it. */
function written(name: string, changes: object): Buffer {
  const type = newer.get(name)!
  return Buffer.from(type.encode(type.fromObject({ ...sampleOf(type), ...changes })).finish())
}
const countIn = (bytes: Uint8Array): number =>
  Buffer.from(bytes).toString('latin1').split(fromTheFuture).length - 1
const place = { topic: 't', partition: 0, offset: 0, appended: 0 }
const to = (outcomes: readonly object[], name: string) =>
  (outcomes as Emit[]).filter((each) => each.topic?.name === name)

test('the next check of a delivery has what the last one had, of the message and of each reader', () => {
  const readers = [1, 2].map((user_id) => ({ user_id, sent_to: [], from_the_future: fromTheFuture }))
  const entry = { ...sampleOf(newer.get('CheckEntry')!), reader: readers, reader_user_id: 0 }
  const check = topics.deliveryCheck5s.decode(written('DeliveryCheck', { entry: [entry], attempt: 1 }))
  const [one] = check.entry!
  const unacked = one!.reader!.map((reader) => ({ reader, unacked: [], present: [] }))
  const checked = { unacked, absent: [], caughtUp: true, message: undefined, from_nick_name: undefined }
  const outcomes = deliveryCheck5s.decide(check, new Map([[one!, checked]]) as never, place)
  const [next] = to(outcomes, 'delivery.check.15s')
  const bytes = topics.deliveryCheck15s.encode(next!.event as never)
  // Of the entry, its ref, its sender's device, and both readers.
  assert.equal(countIn(bytes), 5)
  assert.equal(topics.deliveryCheck15s.decode(Buffer.from(bytes)).attempt, 2)
})

test('the next check of a push has what the last one had', () => {
  const check = topics.pushCheck5s.decode(written('PushCheck', { push_id: 'p', user_id: [1, 2] }))
  const push = { push_id: 'p', expires: 0 }
  const loaded = { now: 1, pushes: new Map([['p', push]]), open: new Map([['p', [1]]]), present: new Map() }
  const [next] = to(pushCheck5s.decide(check, loaded as never, place), 'push.check.15s')
  const bytes = topics.pushCheck15s.encode(next!.event as never)
  assert.equal(countIn(bytes), 1)
  assert.deepEqual(topics.pushCheck15s.decode(Buffer.from(bytes)).user_id, [1])
})
