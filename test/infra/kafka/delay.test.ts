import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countDue } from '../../../infra/kafka/handling.js'
import { collect, makeTopic, openBus, record, uniqueName, until } from './bus-fixture.js'

test('records are due in order, from the moment on that they are old enough', () => {
  const records = [{ timestamp: 100 }, { timestamp: 100 }, { timestamp: 150 }]
  assert.equal(countDue(records, 50, 149), 0)
  assert.equal(countDue(records, 50, 150), 2)
  assert.equal(countDue(records, 50, 200), 3)
})

test('delayed records come neither early nor twice nor much later, through a join and a leave', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus, 2)
  const producer = await bus.producer('p')
  const group = uniqueName('delay')
  const delayMs = 1_500
  const fired: string[] = []
  const late_ms: number[] = []
  const reader = () =>
    collect(bus, topic, {
      group,
      delayMs,
      onBatch: async ({ records }) => {
        for (const { value, timestamp } of records) {
          fired.push(value.toString())
          late_ms.push(Date.now() - timestamp - delayMs)
        }
      },
    })
  await reader()
  let sent = 0
  let sending = true
  const load = (async () => {
    while (sending) {
      await producer.publish([record(topic, null, String(sent++))])
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  await until('the first fire', () => fired.length > 20)
  const second = await reader()
  const goal = fired.length + 100
  await until('both fire', () => fired.length > goal)
  await second.consumer.stop()
  const end = fired.length + 100
  await until('the first fires alone', () => fired.length > end)
  sending = false
  await load
  await until('all have fired', () => new Set(fired).size === sent)

  assert.equal(fired.length, sent, 'none twice')
  assert.ok(Math.min(...late_ms) >= 0, `${Math.min(...late_ms)} ms early`)
  const sorted = late_ms.toSorted((a, b) => a - b)
  const p99 = sorted[Math.floor(sorted.length * 0.99)]!
  assert.ok(p99 < 1_000, `p99 is ${p99} ms late`)
})

test('a waiting consumer stops at once, and what it held fires later', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('p')
  const group = uniqueName('delay')
  const first = await collect(bus, topic, { group, delayMs: 2_000 })
  await producer.publish([record(topic, null, 'x')])
  await new Promise((resolve) => setTimeout(resolve, 300))
  const started = Date.now()
  await first.consumer.stop()
  assert.ok(Date.now() - started < 1_500)
  const second = await collect(bus, topic, { group, delayMs: 2_000 })
  await until('it fires', () => second.records.length === 1)
  assert.ok(Date.now() - second.records[0]!.timestamp >= 2_000)
  assert.equal(first.records.length, 0)
})
