import assert from 'node:assert/strict'
import { test } from 'node:test'
import { notSent } from '../../../infra/kafka/producer.js'
import { BusUnavailable } from '../../../schemas/bus.js'
import { produce, startTcpProxy } from '../../helpers/tcp-proxy.js'
import { broker, collect, makeTopic, openBus, record, uniqueName, until } from './bus-fixture.js'

const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => String(from + index))

test('what is published alone is sent at once, what comes meanwhile is sent together', async (t) => {
  const proxy = await startTcpProxy(broker())
  t.after(() => proxy.close())
  const bus = await openBus(t, { connect: proxy.connect })
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('batching')
  await producer.publish([record(topic, 'k', 'first')])
  const before = proxy.passed(produce)

  await Promise.all(numbered(300).map((value) => producer.publish([record(topic, 'k', value)])))

  assert.ok(proxy.passed(produce) - before <= 2, `${proxy.passed(produce) - before} sends`)
  const { values } = await collect(bus, topic)
  await until('all records come', () => values().length === 301)
  assert.deepEqual(values(), ['first', ...numbered(300)])
})

test('a publication of more than one send is acked as a whole, in order', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('large')
  const large = Buffer.alloc(300 * 1024, 'x').toString()
  const values = [...numbered(1_200), large, 'last']

  await producer.publish(values.map((value) => record(topic, 'k', value)))

  const reader = await collect(bus, topic)
  await until('all records come', () => reader.records.length === values.length)
  assert.deepEqual(reader.values(), values)
})

test('one key keeps to one partition, and no key spreads over sends', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus, 4)
  const producer = await bus.producer('spread')
  for (const value of numbered(8))
    await producer.publish([record(topic, null, value), record(topic, 'same', value)])

  const { records } = await collect(bus, topic)
  await until('all records come', () => records.length === 16)
  const partitions = (key: string | null) =>
    new Set(records.filter((each) => each.key === key).map((each) => each.partition)).size
  assert.equal(partitions('same'), 1)
  assert.equal(partitions(null), 4)
})

test('over 20 cut connections no acked record is lost, doubled or out of order', async (t) => {
  const proxy = await startTcpProxy(broker())
  t.after(() => proxy.close())
  const bus = await openBus(t, { connect: proxy.connect })
  const topic = await makeTopic(t, bus, 2)
  const producer = await bus.producer('cut')
  const acked: string[] = []
  let next = 0
  for (let round = 0; round < 20; round++) {
    const cut = proxy.cutNext(round % 2 === 0 ? 'after' : 'before', produce)
    const sent = numbered(40, next).map(async (value, index) => {
      await producer.publish([record(topic, index % 2 === 0 ? 'even' : null, value)])
      acked.push(value)
    })
    next += 40
    await cut
    await Promise.allSettled(sent)
  }

  const reader = await collect(await openBus(t), topic)
  await until('all acked records come', () => acked.every((value) => reader.values().includes(value)))
  assert.equal(acked.length, next, 'a short cut is bridged')
  assert.equal(new Set(reader.values()).size, reader.values().length, 'none doubled')
  const even = reader.records.filter(({ key }) => key === 'even').map(({ value }) => Number(value))
  assert.deepEqual(
    even,
    even.toSorted((a, b) => a - b),
    'in order',
  )
})

test('a partition that a send left out is named', () => {
  const sent = [
    {
      topic: 'a',
      messages: [
        { value: '1', partition: 0 },
        { value: '2', partition: 1 },
      ],
    },
    { topic: 'b', messages: [{ value: '3', partition: 0 }] },
  ]
  assert.deepEqual(
    notSent(sent, [
      { topicName: 'a', partition: 0 },
      { topicName: 'b', partition: 0 },
    ]),
    [{ topic: 'a', messages: [{ value: '2', partition: 1 }] }],
  )
  assert.deepEqual(notSent(sent, []), sent)
})

test('in an outage publishing fails within 5 s, what failed in the queue is never sent, and it recovers by itself', async (t) => {
  const proxy = await startTcpProxy(broker())
  t.after(() => proxy.close())
  const bus = await openBus(t, { connect: proxy.connect })
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('outage')
  await producer.publish([record(topic, 'k', 'before')])

  proxy.setOutage(true)
  const started = Date.now()
  await assert.rejects(producer.publish([record(topic, 'k', 'lost')]), BusUnavailable)
  const took = Date.now() - started
  assert.ok(took > 4_000 && took < 5_600, `${took} ms`)
  proxy.setOutage(false)
  const back = Date.now()
  await producer.publish([record(topic, 'k', 'after')])
  assert.ok(Date.now() - back < 2_500, `recovered after ${Date.now() - back} ms`)

  const { values } = await collect(await openBus(t), topic)
  await until('the last comes', () => values().includes('after'))
  assert.deepEqual(values(), ['before', 'after'])
})

test('a broker that falls silent is given up within 5 s, and nothing is written late', async (t) => {
  const proxy = await startTcpProxy(broker())
  t.after(() => proxy.close())
  const bus = await openBus(t, { connect: proxy.connect })
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('silent')
  await producer.publish([record(topic, 'k', 'before')])

  proxy.setBlackHole(true)
  const started = Date.now()
  const results = await Promise.allSettled([
    producer.publish([record(topic, 'k', 'in flight')]),
    new Promise((resolve) => setImmediate(resolve)).then(() =>
      producer.publish([record(topic, 'k', 'queued')]),
    ),
  ])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  assert.ok(Date.now() - started < 5_600, `${Date.now() - started} ms`)
  proxy.setBlackHole(false)
  await producer.publish([record(topic, 'k', 'after')])

  const { values } = await collect(await openBus(t), topic)
  await until('the last comes', () => values().includes('after'))
  assert.deepEqual(values(), ['before', 'after'])
})

test('what beforeSend forbids is rejected and never sent', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus)
  let allowed = true
  const producer = await bus.producer('fenced', { beforeSend: () => allowed })
  await producer.publish([record(topic, 'k', 'allowed')])
  allowed = false
  await assert.rejects(producer.publish([record(topic, 'k', 'forbidden')]), BusUnavailable)
  allowed = true
  await producer.publish([record(topic, 'k', 'allowed again')])

  const { values } = await collect(bus, topic)
  await until('the last comes', () => values().includes('allowed again'))
  assert.deepEqual(values(), ['allowed', 'allowed again'])
})

test('a repeat inside the client is fenced like the first try', async (t) => {
  const proxy = await startTcpProxy(broker())
  t.after(() => proxy.close())
  const bus = await openBus(t, { connect: proxy.connect })
  const topic = await makeTopic(t, bus)
  let allowed = true
  const producer = await bus.producer('fenced', { beforeSend: () => allowed })
  await producer.publish([record(topic, 'k', 'allowed')])

  const cut = proxy.cutNext('before', produce)
  const publication = producer.publish([record(topic, 'k', 'forbidden')])
  await cut
  allowed = false
  await assert.rejects(publication, BusUnavailable)

  const { values } = await collect(await openBus(t), topic)
  await until('the first comes', () => values().length > 0)
  assert.deepEqual(values(), ['allowed'])
})

test('a record for a topic that is not there fails at once and holds up no other', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('missing')
  const started = Date.now()
  const [lost, kept] = await Promise.allSettled([
    producer.publish([record(`test.${uniqueName('missing')}`, 'k', 'x')]),
    producer.publish([record(topic, 'k', 'x')]),
  ])
  assert.equal(lost?.status, 'rejected')
  assert.equal(kept?.status, 'fulfilled')
  assert.ok(Date.now() - started < 2_000)
  assert.ok(
    (await bus.listTopics()).every((name) => !name.includes('missing')),
    'none was made by accident',
  )
})

test('headers and keys come back as strings, and no key as null', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('headers')
  await producer.publish([
    { topic, key: 'schlüssel', value: Buffer.from([0, 255]), headers: { traceparent: '00-a', 'x-ü': '✓' } },
    { topic, key: null, value: Buffer.alloc(0) },
  ])
  const { records } = await collect(bus, topic)
  await until('both come', () => records.length === 2)
  assert.deepEqual(
    records.map(({ key, headers, value, offset }) => ({ key, headers, value, offset })),
    [
      {
        key: 'schlüssel',
        headers: { traceparent: '00-a', 'x-ü': '✓' },
        value: Buffer.from([0, 255]),
        offset: 0,
      },
      { key: null, headers: {}, value: Buffer.alloc(0), offset: 1 },
    ],
  )
  assert.ok(Math.abs(records[0]!.timestamp - Date.now()) < 60_000)
})

test('a closed producer refuses', async (t) => {
  const bus = await openBus(t)
  const producer = await bus.producer('closed')
  await producer.close()
  await assert.rejects(producer.publish([record('any', null, 'x')]), BusUnavailable)
})
