import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTopic, openBus, record, uniqueName, until } from './bus-fixture.js'

test('the lag of a group is what its partitions hold beyond what was handled', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus, 2)
  const producer = await bus.producer('p')
  const group = uniqueName('group')
  let letGo: () => void = () => {}
  const held = new Promise<void>((resolve) => {
    letGo = resolve
  })
  await producer.publish(Array.from({ length: 10 }, (_, at) => record(topic, String(at), 'x')))
  const consumer = await bus.consumer({ group, topics: [topic], onBatch: () => held })
  await consumer.ready
  await until('both partitions were fetched', () => bus.lags().get(group) === 10)
  letGo()
  await until('nothing is left', () => bus.lags().get(group) === 0)
  await producer.publish([record(topic, 'k', 'x')])
  await until('nothing is left again', () => bus.lags().get(group) === 0)
})

test('each send is told with its records, each failure of a handler with its group', async (t) => {
  const sent: [string, number][] = []
  const failed: string[] = []
  const bus = await openBus(t, {
    observer: {
      sent: (producer, records, duration_ms) => {
        assert.ok(duration_ms > 0)
        sent.push([producer, records])
      },
      sendFailed: () => assert.fail('nothing failed'),
      batchFailed: (group) => failed.push(group),
    },
  })
  const topic = await makeTopic(t, bus)
  const group = uniqueName('group')
  const producer = await bus.producer('p')
  const publishing = producer.publish([record(topic, 'a', '1'), record(topic, 'b', '2')])
  assert.equal(bus.queues().get('p'), 2)
  await publishing
  assert.equal(bus.queues().get('p'), 0)
  assert.deepEqual(sent, [['p', 2]])

  let attempts = 0
  await bus.consumer({
    group,
    topics: [topic],
    onBatch: async () => {
      if (++attempts < 3) throw new Error('not yet')
    },
  })
  await until('the third attempt passes', () => attempts === 3)
  assert.deepEqual(failed, [group, group])
})
