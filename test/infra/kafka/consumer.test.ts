import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAdmin } from '../../../infra/kafka/admin.js'
import { Postponed, type RecordBatch } from '../../../schemas/bus.js'
import { fetch, startTcpProxy } from '../../helpers/tcp-proxy.js'
import {
  broker,
  collect,
  keepingLog,
  makeTopic,
  openBus,
  record,
  settingsOf,
  uniqueName,
  until,
} from './bus-fixture.js'

const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => String(from + index))

/** What the group has committed, by partition. */
async function committed(group: string, topic: string): Promise<Map<number, number>> {
  const admin = createAdmin(settingsOf())
  try {
    return await admin.committed(`test.${group}`, topic)
  } finally {
    await admin.close()
  }
}

test('a new group starts at the oldest record, and again where it stopped', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus, 2)
  const producer = await bus.producer('p')
  const group = uniqueName('group')
  await producer.publish(numbered(50).map((value) => record(topic, value, value)))

  const first = await collect(bus, topic, { group })
  await until('all come', () => first.records.length === 50)
  await first.consumer.stop()
  await producer.publish(numbered(10, 50).map((value) => record(topic, value, value)))
  const second = await collect(bus, topic, { group })
  await until('the rest comes', () => second.records.length >= 10)
  assert.deepEqual(second.values().toSorted(), numbered(10, 50))
})

test('offsets of finished batches are committed about once a second, not with each batch', async (t) => {
  const proxy = await startTcpProxy(broker())
  t.after(() => proxy.close())
  const bus = await openBus(t, { connect: proxy.connect })
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('p')
  const group = uniqueName('group')
  const { records } = await collect(bus, topic, { group })
  const commits = 8
  const before = proxy.passed(commits)
  const end = Date.now() + 2_000
  let sent = 0
  while (Date.now() < end) {
    await producer.publish([record(topic, 'k', String(sent++))])
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(sent > 50 && proxy.passed(commits) - before <= 3, `${proxy.passed(commits) - before} commits`)
  await until('all come', () => records.length === sent)
  await until('they are committed', async () => (await committed(group, topic)).get(0) === sent, 3_000)
})

test('partitions are handled at the same time, one partition in order', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus, 4)
  const producer = await bus.producer('p')
  for (const value of numbered(8)) await producer.publish([record(topic, null, value)])
  let now = 0
  let most = 0
  const { records } = await collect(bus, topic, {
    onBatch: async (batch) => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setTimeout(resolve, 200))
      now--
      records.push(...batch.records)
    },
  })
  await until('all come', () => records.length === 8)
  assert.equal(most, 4)
})

test('a consumer from the end gets only what is published from then on, also after it joined again', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('p')
  const group = uniqueName('gate')
  await producer.publish([record(topic, null, 'old')])
  const reader = await collect(bus, topic, { group, start: 'end', commit: 'manual' })
  await producer.publish([record(topic, null, 'new')])
  await until('the new one comes', () => reader.records.length > 0)

  const other = await collect(bus, topic, { group, start: 'end' })
  await other.consumer.stop()
  await until('the first owns it again', () => reader.consumer.isReady())
  await producer.publish([record(topic, null, 'newer')])
  await until('the newer comes', () => reader.values().includes('newer'))
  assert.deepEqual(reader.values(), ['new', 'newer'])
})

test('a failing handler gets the same batch again, nothing is committed, and the reason is logged once', async (t) => {
  const log = keepingLog()
  const bus = await openBus(t, { log })
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('p')
  const group = uniqueName('group')
  await producer.publish(numbered(3).map((value) => record(topic, 'k', value)))
  const seen: string[][] = []
  let committedMeanwhile: Map<number, number> | undefined
  await collect(bus, topic, {
    group,
    onBatch: async ({ records }) => {
      seen.push(records.map(({ value }) => value.toString()))
      if (seen.length === 3) committedMeanwhile = await committed(group, topic)
      if (seen.length < 4) throw new Error('the database is away')
    },
  }).catch(() => undefined)
  await until('it was taken', () => seen.length === 4)
  assert.deepEqual(seen, Array(4).fill(['0', '1', '2']))
  assert.equal(committedMeanwhile?.size, 0)
  const errors = log.lines.filter(({ level }) => level === 'error')
  assert.deepEqual(
    errors.map(({ fields }) => fields.reason),
    ['the database is away'],
  )
  await until('it is committed', async () => (await committed(group, topic)).get(0) === 3)
})

test('what is postponed comes again one by one, is no failure, and holds up nothing but itself', async (t) => {
  const log = keepingLog()
  let failures = 0
  const observer = { sent() {}, sendFailed() {}, batchFailed: () => void failures++ }
  const bus = await openBus(t, { log, observer })
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('test')
  await producer.publish(Array.from({ length: 9 }, (_, at) => record(topic, 'k', String(at))))
  const handed: string[] = []
  let isAway = true
  const { consumer } = await collect(bus, topic, {
    recordsAtOnce: 4,
    onBatch: async ({ records }) => {
      handed.push(records.map(({ value }) => value.toString()).join(''))
      if (isAway) throw new Postponed('away')
    },
  })
  await until('it is asked twice', () => handed.length >= 2)
  assert.deepEqual(handed.slice(0, 2), ['0', '0'])
  isAway = false
  await until('all are handled', () => handed.at(-1)?.endsWith('8') === true)
  assert.deepEqual(handed.slice(handed.lastIndexOf('0')), ['0', '12', '3456', '78'])
  assert.equal(failures, 0)
  assert.ok(log.lines.every(({ level }) => level !== 'error'))
  await consumer.stop()
})

test('nothing is lost or repeated while members come and go', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus, 4)
  const producer = await bus.producer('p')
  const group = uniqueName('group')
  const first = await collect(bus, topic, { group })
  let sent = 0
  let sending = true
  const load = (async () => {
    while (sending) {
      const values = numbered(5, sent)
      sent += 5
      await producer.publish(values.map((value) => record(topic, value, value)))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  })()
  const second = await collect(bus, topic, { group })
  await until('the second works too', () => second.records.length > 100)
  await second.consumer.stop()
  const goal = sent + 200
  await until('the first goes on alone', () => sent > goal)
  sending = false
  await load

  const all = () => [...first.values(), ...second.values()]
  await until('all come', () => new Set(all()).size === sent)
  assert.equal(all().length, sent, 'offsets are committed before a partition changes hands')
})

test('batches in hand are finished and committed at stop', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('p')
  const group = uniqueName('group')
  let begun = false
  const consumer = await bus.consumer({
    group,
    topics: [topic],
    onBatch: async () => {
      begun = true
      await new Promise((resolve) => setTimeout(resolve, 700))
    },
  })
  await consumer.ready
  await producer.publish([record(topic, 'k', 'x')])
  await until('it is in hand', () => begun)
  await consumer.stop()
  assert.equal((await committed(group, topic)).get(0), 1)
})

test('with manual commits only what commit is told is committed, and rewind brings the rest again', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('p')
  const group = uniqueName('group')
  await producer.publish(numbered(10).map((value) => record(topic, 'k', value)))
  const { consumer, records, values } = await collect(bus, topic, { group, commit: 'manual' })
  await until('all come', () => records.length === 10)
  await consumer.rewind()
  await until('all come again from the beginning', () => records.length === 20)

  await consumer.commit([{ topic, partition: 0, offset: 7 }])
  assert.equal((await committed(group, topic)).get(0), 7)
  records.length = 0
  await consumer.rewind()
  await until('the uncommitted come again', () => records.length === 3)
  assert.deepEqual(values(), ['7', '8', '9'])
  await consumer.commit([{ topic: 'not-ours', partition: 0, offset: 1 }])
})

test('a rewind takes the batch in hand away', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('p')
  await producer.publish([record(topic, 'k', 'x')])
  const batches: RecordBatch[] = []
  let stopped: unknown
  const consumer = await bus.consumer({
    group: uniqueName('group'),
    topics: [topic],
    commit: 'manual',
    onBatch: async (batch) => {
      batches.push(batch)
      if (batches.length > 1) return
      while (batch.isOurs()) await new Promise((resolve) => setTimeout(resolve, 10))
      stopped = await batch.heartbeat().catch((error: Error) => error)
    },
  })
  await until('it is in hand', () => batches.length === 1)
  assert.equal(batches[0]?.isOurs(), true)
  await consumer.rewind()
  assert.equal(batches[0]?.isOurs(), false)
  await until('it comes again', () => batches.length === 2)
  assert.ok(stopped instanceof Error)
})

test('idle is said only after an answer that brought nothing, with a time before it was asked', async (t) => {
  const proxy = await startTcpProxy(broker())
  t.after(() => proxy.close())
  const bus = await openBus(t, { connect: proxy.connect })
  const topic = await makeTopic(t, bus, 2)
  const producer = await (await openBus(t)).producer('p')
  const idle: number[] = []
  const { records } = await collect(bus, topic, { onIdle: (since) => idle.push(since) })
  await until('it is idle', () => idle.length > 0)

  proxy.setOutage(true)
  await producer.publish([record(topic, null, 'unseen')])
  const published = Date.now()
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  assert.ok(
    idle.every((since) => since <= published),
    'not while the broker cannot be asked',
  )
  proxy.setOutage(false)
  await until('it comes', () => records.length === 1)
  await until('it is idle again', () => idle.at(-1)! > published)
  assert.ok(idle.every((since) => since <= Date.now()))
})

test('a member without partitions is ready and never idle', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus, 1)
  const group = uniqueName('group')
  const owned: number[] = []
  const idle: number[] = [0, 0]
  const reader = (index: number) =>
    collect(bus, topic, {
      group,
      onAssigned: (partitions) => {
        owned[index] = partitions.length
      },
      onIdle: () => {
        idle[index]! += 1
      },
    })
  const [first, second] = await Promise.all([reader(0), reader(1)])
  await until('one owns it', () => owned.reduce((a, b) => a + b, 0) === 1)
  await until('both are ready', () => first.consumer.isReady() && second.consumer.isReady())
  const without = owned.indexOf(0)
  const before = [...idle]
  await until('the owner is idle', () => idle[1 - without]! > before[1 - without]! + 2)
  assert.equal(idle[without], before[without])
})

test('consuming goes on after cut connections', async (t) => {
  const proxy = await startTcpProxy(broker())
  t.after(() => proxy.close())
  const bus = await openBus(t, { connect: proxy.connect })
  const topic = await makeTopic(t, bus)
  const producer = await (await openBus(t)).producer('p')
  const { values } = await collect(bus, topic)
  for (let round = 0; round < 6; round++) {
    await proxy.cutNext(round % 2 === 0 ? 'after' : 'before', fetch)
    await producer.publish([record(topic, 'k', String(round))])
  }
  await until('all come', () => new Set(values()).size === 6)
  assert.deepEqual([...new Set(values())], numbered(6), 'in order')
})

test('a large record comes alone', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus)
  const producer = await bus.producer('p')
  const large = 'x'.repeat(900 * 1024)
  for (const value of ['a', large, 'b']) await producer.publish([record(topic, 'k', value)])
  const { values } = await collect(bus, topic)
  await until('all come', () => values().length === 3)
  assert.deepEqual(values(), ['a', large, 'b'])
})

test('consuming goes on after a while of silence', async (t) => {
  const proxy = await startTcpProxy(broker())
  t.after(() => proxy.close())
  const bus = await openBus(t, { connect: proxy.connect })
  const topic = await makeTopic(t, bus)
  const producer = await (await openBus(t)).producer('p')
  const { values } = await collect(bus, topic)
  proxy.setBlackHole(true)
  await producer.publish([record(topic, 'k', 'meanwhile')])
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  proxy.setBlackHole(false)
  await until('it comes', () => values().includes('meanwhile'), 25_000)
})

test('an idle consumer stops within a second', async (t) => {
  const proxy = await startTcpProxy(broker())
  t.after(() => proxy.close())
  const bus = await openBus(t, { connect: proxy.connect })
  const topic = await makeTopic(t, bus)
  const { consumer } = await collect(bus, topic)
  const before = proxy.passed(fetch)
  await until('another fetch is under way', () => proxy.passed(fetch) > before)
  const started = Date.now()
  await consumer.stop()
  assert.ok(Date.now() - started < 1_000, `${Date.now() - started} ms`)
})

test('the partitions of a member that died are taken over within twelve seconds', async (t) => {
  const proxy = await startTcpProxy(broker())
  t.after(() => proxy.close())
  const dying = await openBus(t, { connect: proxy.connect })
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus, 2)
  const producer = await bus.producer('p')
  const group = uniqueName('group')
  await collect(dying, topic, { group })
  const heir = await collect(bus, topic, { group })
  proxy.setOutage(true)
  for (const value of numbered(4)) await producer.publish([record(topic, null, value)])
  await until('all come to the heir', () => heir.records.length >= 4, 12_000)
})
