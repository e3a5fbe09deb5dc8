import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { createAckLookup, createPendingAcks } from '../../../infra/redis/acks.js'
import { createPresence } from '../../../infra/redis/presence.js'
import { parseDeviceKey } from '../../../schemas/ids.js'
import { freshRedis } from '../../helpers/redis.js'

const { redis, keys, forgetAll } = freshRedis()
const policy = 'one-per-type'
const presence = createPresence({ redis, keys, policy })
const lanes = 2
const tracker = (shown_ms = 0) => createPendingAcks({ redis, keys, lanes, shown_ms, presence, policy })

const ack = (reader_user_id: number, device: string, msg_id: string) => ({
  reader_user_id,
  device,
  from_user_id: 7,
  msg_id,
})
const from = (login_number: number, time = 1_000) => ({ login_number, time })

const online = (user_id: number, device: string, login_number: number) =>
  presence.login([
    {
      user_id,
      device: parseDeviceKey(device),
      gate_id: 'g',
      gate_epoch: 1,
      connection_id: 1,
      login_number,
      since: 0,
    },
  ])

beforeEach(forgetAll)

test('acks wait in their partition until they are dropped', async () => {
  const acks = tracker()
  await acks.claim([0, 3])
  const one = ack(1, '2:phone|"a"', 'a|b"c\u{1f600}')
  const two = ack(2 ** 48 - 1, '3', 'm')
  await acks.add(3, [
    { ...one, ...from(1, 11) },
    { ...two, ...from(1, 12) },
  ])
  assert.deepEqual(await acks.read(0), [])
  assert.deepEqual(
    new Set(await acks.read(3)),
    new Set([
      { ...one, time: 11 },
      { ...two, time: 12 },
    ]),
  )
  await acks.drop(3, [one])
  assert.deepEqual(await acks.read(3), [{ ...two, time: 12 }])
})

test('an ack of a login that was replaced is dropped, also when another device_id took its place', async () => {
  const acks = tracker()
  await acks.claim([0])
  await online(1, '2:new', 9)
  await acks.add(0, [
    { ...ack(1, '2:old', 'late'), ...from(5) },
    { ...ack(1, '2:new', 'late too'), ...from(8) },
    { ...ack(1, '2:new', 'own'), ...from(9) },
    { ...ack(1, '3', 'web'), ...from(2) },
    { ...ack(2, '2', 'gone meanwhile'), ...from(1) },
  ])
  assert.deepEqual((await acks.read(0))?.map(({ msg_id }) => msg_id).sort(), ['gone meanwhile', 'own', 'web'])
})

test('a tracker reads a partition only while its claim stands', async () => {
  const [first, second] = [tracker(), tracker()]
  await first.claim([0])
  await first.add(0, [{ ...ack(1, '2', 'm'), ...from(1) }])
  await second.claim([0])
  assert.equal(await first.read(0), undefined)
  assert.equal((await second.read(0))?.length, 1, 'what waits from before stays')
  await forgetAll()
  await second.add(0, [{ ...ack(1, '2', 'n'), ...from(1) }])
  assert.equal(await second.read(0), undefined, 'Redis was emptied')
})

test('progress is written only under the claim of each partition', async () => {
  const acks = tracker()
  await acks.claim([0, 1])
  assert.equal(await acks.progressed([0, 1], 500), true)
  assert.equal((await acks.find([])).handledUntil, 500)
  await redis.del(keys.acksClaim(1))
  assert.equal(await acks.progressed([0, 1], 600), false)
  assert.equal((await acks.find([])).handledUntil, 0)
})

test('a look-up finds acks of any partition, and how far all partitions are', async () => {
  const acks = tracker()
  const lookup = createAckLookup({ redis, keys, lanes })
  assert.deepEqual(await lookup.find([ack(1, '2', 'm')]), { acked: [false], handledUntil: 0 })
  await acks.claim([0, 1])
  await acks.progressed([0], 900)
  await acks.add(1, [{ ...ack(1, '2', 'm'), ...from(1) }])
  assert.deepEqual(await lookup.find([ack(1, '2', 'm'), ack(1, '3', 'm')]), {
    acked: [true, false],
    handledUntil: 0,
  })
  await acks.progressed([1], 700)
  assert.equal((await lookup.find([])).handledUntil, 700)
})

test('a look-up finds acks anywhere while the partitions are not as many as the lanes', async () => {
  const acks = tracker()
  await acks.claim([0, 1, 2])
  await acks.add(2, [{ ...ack(1, '2', 'm'), ...from(1) }])
  assert.deepEqual((await createAckLookup({ redis, keys, lanes }).find([ack(1, '2', 'm')])).acked, [true])
})

test('a flushed ack is read no more, but shown to look-ups for a while', async () => {
  const acks = tracker(60_000)
  await acks.claim([0, 1])
  await acks.add(1, [{ ...ack(1, '2', 'm'), ...from(1) }])
  await acks.drop(1, [ack(1, '2', 'm')])
  assert.deepEqual(await acks.read(1), [])
  assert.deepEqual((await acks.find([ack(1, '2', 'm')])).acked, [true])
})

test('an emptied Redis is known as such until every partition was claimed and handled again', async () => {
  const acks = tracker()
  const lookup = createAckLookup({ redis, keys, lanes })
  await acks.claim([0, 1])
  await acks.progressed([0, 1], 900)
  assert.equal((await lookup.find([])).handledUntil, 900)
  await forgetAll()
  assert.equal(await acks.progressed([0, 1], 950), false)
  assert.equal((await lookup.find([])).handledUntil, 0)
  await acks.claim([0])
  await acks.progressed([0], 960)
  assert.equal((await lookup.find([])).handledUntil, 0, 'one of two')
  await acks.claim([1])
  await acks.progressed([1], 970)
  assert.equal((await lookup.find([])).handledUntil, 960)
})

/** What a replica has that has become the master without the writes since. */
async function snapshot(...names: string[]): Promise<() => Promise<void>> {
  const dumps = await Promise.all(names.map((name) => redis.dumpBuffer(name)))
  return async () => {
    for (const [at, name] of names.entries())
      if (dumps[at]) await redis.restore(name, 0, dumps[at], 'REPLACE')
      else await redis.del(name)
  }
}

test('acks that a fail-over lost are known as lost, also when others were added since', async () => {
  const partition = [keys.acksClaim(0), keys.acks(0)]
  for (const next of ['progress', 'flush', 'add'] as const) {
    await forgetAll()
    const acks = tracker()
    await acks.claim([0])
    await acks.add(0, [{ ...ack(1, '2', 'kept'), ...from(1) }])
    const failOver = await snapshot(...partition)
    await acks.add(0, [{ ...ack(1, '2', 'lost'), ...from(1) }])
    await failOver()
    if (next === 'add') await acks.add(0, [{ ...ack(1, '2', 'after'), ...from(1) }])
    if (next === 'progress') assert.equal(await acks.progressed([0], 500), false)
    assert.equal(await acks.read(0), undefined, next)
    assert.equal((await acks.find([])).handledUntil, 0)

    await acks.claim([0])
    await acks.add(0, [{ ...ack(1, '2', 'lost'), ...from(1) }])
    assert.equal(await acks.progressed([0], 600), true)
    assert.ok((await acks.read(0))?.some(({ msg_id }) => msg_id === 'lost'))
  }
})

test('a fail-over that lost only what no ack waits for changes nothing', async () => {
  const acks = tracker()
  await acks.claim([0])
  const failOver = await snapshot(keys.acks(0))
  await acks.add(0, [{ ...ack(1, '2', 'm'), ...from(1) }])
  await acks.drop(0, [ack(1, '2', 'm')])
  await failOver()
  assert.deepEqual(await acks.read(0), [])
})

test('thousands of acks are kept, found and dropped', async () => {
  const acks = tracker()
  await acks.claim([2])
  await acks.progressed([2], 1)
  const many = Array.from({ length: 3_500 }, (_, at) => ack(at + 1, '2', `m${at}`))
  await acks.add(
    2,
    many.map((each) => ({ ...each, ...from(1) })),
  )
  const found = await acks.find([...many, ack(1, '2', 'other')])
  assert.equal(found.acked.filter(Boolean).length, 3_500)
  assert.equal(found.acked.at(-1), false)
  await acks.drop(2, many)
  assert.deepEqual(await acks.read(2), [])
})
