import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'
import { inRequests } from '../../../infra/kafka/admin.js'
import { createBus } from '../../../infra/kafka/bus.js'
import { firstAnswering } from '../../../infra/kafka/first-words.js'
import { askVersions, incompatibleRequests } from '../../../infra/kafka/versions.js'
import { BusUnavailable } from '../../../schemas/bus.js'
import { startTcpProxy } from '../../helpers/tcp-proxy.js'
import { broker, makeTopic, openBus, settingsOf, uniqueName } from './bus-fixture.js'

test('topics are made once, also by several processes at once, and can be used at once', async (t) => {
  const buses = await Promise.all([openBus(t), openBus(t), openBus(t)])
  const names = [uniqueName('test.a'), uniqueName('test.b')]
  const wanted = names.map((name) => ({ name, partitions: 3, config: { 'retention.ms': '60000' } }))
  const made = await Promise.all(buses.map((bus) => bus.ensureTopics(wanted)))
  assert.deepEqual(made.flat().toSorted(), names.toSorted())
  assert.deepEqual(await buses[0]!.ensureTopics(wanted), [])
  const producer = await buses[1]!.producer('p')
  await producer.publish(names.map((topic) => ({ topic, key: null, value: Buffer.from('x') })))
  const there = await buses[2]!.listTopics()
  assert.ok(names.every((name) => there.includes(name)))
  assert.ok(!there.includes('__consumer_offsets'))

  await buses[0]!.deleteTopics([...names, uniqueName('test.never-made')])
  const left = await buses[0]!.listTopics()
  assert.ok(names.every((name) => !left.includes(name)))
})

test('a topic that cannot be made is named, and the others are there all the same', async (t) => {
  const bus = await openBus(t)
  const [good, bad] = [uniqueName('test.good'), uniqueName('test.bad')]
  const wanted = [
    { name: good, partitions: 1, config: {} },
    { name: bad, partitions: 1, config: { 'retention.ms': 'long' } },
  ]
  await assert.rejects(bus.ensureTopics(wanted), { message: new RegExp(`^topic ${bad} cannot be made: `) })
  const there = await bus.listTopics()
  assert.deepEqual([there.includes(good), there.includes(bad)], [true, false])
  await bus.deleteTopics([good])
})

test('a request makes a thousand partitions at the most, or one larger topic', () => {
  const topicsOf = (...sizes: number[]) =>
    sizes.map((partitions, number) => ({ name: `${number}`, partitions, config: {} }))
  const cases: readonly (readonly [sizes: number[], requests: number[][]])[] = [
    [[], []],
    [[1, 12, 1], [[1, 12, 1]]],
    [
      [500, 500, 1],
      [[500, 500], [1]],
    ],
    [
      [1, 2_000, 1],
      [[1], [2_000], [1]],
    ],
  ]
  for (const [sizes, requests] of cases)
    assert.deepEqual(
      inRequests(topicsOf(...sizes)).map((each) => each.map(({ partitions }) => partitions)),
      requests,
    )
})

test('a deleted topic does not hold up a producer that used it', async (t) => {
  const bus = await openBus(t)
  const [gone, kept] = [await makeTopic(t, bus), await makeTopic(t, bus)]
  const producer = await bus.producer('p')
  const publish = (topic: string) => producer.publish([{ topic, key: null, value: Buffer.from('x') }])
  await publish(gone)
  await publish(kept)
  await bus.deleteTopics([gone])
  const started = Date.now()
  await assert.rejects(publish(gone), BusUnavailable)
  await publish(kept)
  assert.ok(Date.now() - started < 3_000, 'found out soon')
  const again = Date.now()
  await assert.rejects(publish(gone), BusUnavailable)
  await publish(kept)
  assert.ok(Date.now() - again < 500, 'known from then on')
})

test('reachable says whether a broker answers in time', async (t) => {
  const proxy = await startTcpProxy(broker())
  t.after(() => proxy.close())
  const bus = await openBus(t, { connect: proxy.connect })
  assert.equal(await bus.isReachable(1_000), true)
  proxy.setBlackHole(true)
  const started = Date.now()
  assert.equal(await bus.isReachable(300), false)
  assert.ok(Date.now() - started < 1_000)
  proxy.setBlackHole(false)
  proxy.setOutage(true)
  assert.equal(await bus.isReachable(1_000), false)
})

test('a bus without a broker is refused with the reason', async () => {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  await assert.rejects(createBus(settingsOf({ brokers: [`127.0.0.1:${port}`] })), {
    name: 'BusUnavailable',
    message: /ECONNREFUSED/,
  })
})

test('this broker and this client can talk; a broker too new or too old is named', async () => {
  const versions = await firstAnswering(settingsOf(), 5_000, askVersions)
  assert.deepEqual(incompatibleRequests(versions), [])
  const newer = new Map(versions).set(1, [90, 99])
  newer.delete(22)
  assert.deepEqual(
    incompatibleRequests(newer).map((fault) => fault.split(':')[0]),
    ['fetch', 'initProducerId'],
  )
})
