/** The frame around every worker, on the real Kafka: nothing is lost, nothing blocks, bad events are kept. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createBus } from '../../../infra/kafka/bus.js'
import type { Bus, IncomingRecord } from '../../../schemas/bus.js'
import { deadLetterHeaders, resentHeaders } from '../../../schemas/dead-letters.js'
import { deadLetterSettings, fullName, type Topic, topicSettings } from '../../../schemas/topics.js'
import { type Frame, runWorker } from '../../../workers/kit/runner.js'
import { type AnyWorker, defineWorker, emit, reject, save } from '../../../workers/kit/worker.js'
import { silentLog } from '../../helpers/log.js'
import { stack } from '../../helpers/stack.js'
import { uniqueName, until } from '../../infra/kafka/bus-fixture.js'

interface Note {
  readonly text: string
}

const noteTopic = <const Name extends string>(name: Name): Topic<Name, Note> => ({
  name,
  payload: 'Note',
  key: () => 'one partition',
  partitions: 1,
  retention_ms: 3_600_000,
  purpose: 'a test',
  encode: (note) => Buffer.from(JSON.stringify(note)),
  decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()) as Note,
})

const asked = noteTopic('note.asked')
const answered = noteTopic('note.answered')

class EventFault extends Error {}
class TooMuch extends Error {}

/** A bus with the two topics and the dead letters of `worker`, and what was published to any of them. */
async function openFrame(t: TestContext, worker: AnyWorker, flushes: (() => Promise<void>)[] = []) {
  const prefix = `${uniqueName('runner')}.`
  const bus = await createBus({
    brokers: [stack().kafka],
    clientId: prefix,
    prefix,
    replication: 1,
    log: silentLog,
  })
  const frame: Frame = {
    bus,
    prefix,
    log: silentLog,
    isEventFault: (error) => error instanceof EventFault,
    isTooMuch: (error) => error instanceof TooMuch,
    schedule: (_, job) => {
      flushes.push(job)
      return () => {}
    },
    ackFlushCron: '',
    delayOf: () => undefined,
  }
  const names = [asked, answered].map((each) => topicSettings(each, prefix, 1))
  await bus.ensureTopics([...names, deadLetterSettings(asked, worker.name, prefix)])
  t.after(async () => {
    const all = (await bus.listTopics()).filter((name) => name.startsWith(prefix))
    await bus.deleteTopics(all)
    await bus.close()
  })
  return { frame, bus, prefix, publish: await publisher(bus, prefix) }
}

async function publisher(bus: Bus, prefix: string) {
  const producer = await bus.producer('test')
  return (...values: string[]) =>
    producer.publish(
      values.map((value) => ({ topic: fullName(prefix, asked), key: 'k', value: Buffer.from(value) })),
    )
}

async function collected(bus: Bus, topic: string): Promise<IncomingRecord[]> {
  const records: IncomingRecord[] = []
  await bus.consumer({
    group: uniqueName('reader'),
    topics: [topic],
    onBatch: async (batch) => {
      records.push(...batch.records)
    },
  })
  return records
}

const note = (text: string) => JSON.stringify({ text })
const texts = (records: readonly IncomingRecord[]) =>
  records.map(({ value }) => (JSON.parse(value.toString()) as Note).text)

test('a bad event goes to the dead letters with its bytes and the reason; the others are answered', async (t) => {
  const worker = defineWorker({
    name: 'noter',
    consumes: asked,
    produces: [answered],
    decide(event) {
      if (event.text === 'bug') throw new Error('a bug over this event')
      return event.text === 'bad' ? [reject('not wanted')] : [emit(answered, { text: `re: ${event.text}` })]
    },
  })
  const { frame, bus, prefix, publish } = await openFrame(t, worker)
  const running = await runWorker(worker, {}, frame)
  t.after(() => running.stop())
  await publish(note('a'), 'no json', note('bad'), note('bug'), note('b'))

  const answers = await collected(bus, fullName(prefix, answered))
  const dead = await collected(bus, `${fullName(prefix, asked)}.noter.dlq`)
  await until('all are answered', () => answers.length >= 2 && dead.length >= 3)
  assert.deepEqual(texts(answers), ['re: a', 're: b'])
  assert.deepEqual(
    dead.map(({ value }) => value.toString()),
    ['no json', note('bad'), note('bug')],
  )
  assert.match(dead[0]?.headers['dlq-reason'] ?? '', /^not a Note/)
  assert.equal(dead[1]?.headers['dlq-reason'], 'not wanted')
  assert.equal(dead[1]?.headers['dlq-offset'], '2')
  assert.equal(dead[1]?.headers['dlq-group'], 'noter')
})

test('an event whose row was given up is published for and goes to the dead letters', async (t) => {
  const worker = defineWorker({
    name: 'noter',
    consumes: asked,
    produces: [answered],
    decide: ({ text }) => [save(text)],
    save: async (rows: readonly string[]) => rows.map((text) => text.length),
    saved: (text: string, length: number) => [emit(answered, { text: `${text} has ${length}` })],
    givenUp: (_, length: number) => (length > 3 ? `more than ${length - 1}` : undefined),
  })
  const { frame, bus, prefix, publish } = await openFrame(t, worker)
  const running = await runWorker(worker, {}, frame)
  t.after(() => running.stop())
  await publish(note('one'), note('three'), note('two'))
  const answers = await collected(bus, fullName(prefix, answered))
  const dead = await collected(bus, `${fullName(prefix, asked)}.noter.dlq`)
  await until('all are answered', () => answers.length >= 3 && dead.length >= 1)
  assert.deepEqual(texts(answers), ['one has 3', 'three has 5', 'two has 3'])
  assert.deepEqual(
    dead.map(({ value, headers }) => [value.toString(), headers['dlq-reason']]),
    [[note('three'), 'more than 4']],
  )
})

test('a row that cannot be stored is found by halving; all others are stored once', async (t) => {
  const stored: string[] = []
  const worker = defineWorker({
    name: 'keeper',
    consumes: asked,
    produces: [answered],
    decide: (event) => [save(event.text)],
    async save(rows: readonly string[]) {
      if (rows.includes('poison')) throw new EventFault('violates a constraint')
      stored.push(...rows)
      return rows
    },
    saved: (text: string) => [emit(answered, { text })],
  })
  const { frame, bus, prefix, publish } = await openFrame(t, worker)
  const values = Array.from({ length: 20 }, (_, n) => (n === 13 ? 'poison' : String(n)))
  await publish(...values.map(note))
  const running = await runWorker(worker, {}, frame)
  t.after(() => running.stop())

  const dead = await collected(bus, `${fullName(prefix, asked)}.keeper.dlq`)
  const answers = await collected(bus, fullName(prefix, answered))
  await until('all are done', () => dead.length === 1 && answers.length === 19)
  const good = values.filter((value) => value !== 'poison')
  assert.deepEqual(stored, good)
  assert.deepEqual(texts(answers), good)
  assert.equal(dead[0]?.headers['dlq-reason'], 'violates a constraint')
})

test('while the world is ill nothing is rejected and nothing lost; then all goes on in order', async (t) => {
  let illness = 3
  const worker = defineWorker({
    name: 'patient',
    consumes: asked,
    produces: [answered],
    load: async () => {
      if (illness-- > 0) throw new Error('connection refused')
    },
    decide: (event) => [emit(answered, event)],
  })
  const { frame, bus, prefix, publish } = await openFrame(t, worker)
  const running = await runWorker(worker, {}, frame)
  t.after(() => running.stop())
  await publish(note('1'), note('2'), note('3'))
  const answers = await collected(bus, fullName(prefix, answered))
  const dead = await collected(bus, `${fullName(prefix, asked)}.patient.dlq`)
  await until('it is well again', () => answers.length >= 3)
  assert.deepEqual(texts(answers), ['1', '2', '3'])
  assert.deepEqual(dead, [])
})

test('a batch that is too much is done in halves; a single event that is too much waits', async (t) => {
  const sizes: number[] = []
  const worker = defineWorker({
    name: 'halver',
    consumes: asked,
    produces: [answered],
    decide: (event) => [save(event)],
    async save(rows: readonly Note[]) {
      sizes.push(rows.length)
      if (rows.length > 2) throw new TooMuch('statement timeout')
      return rows
    },
    saved: (row: Note) => [emit(answered, row)],
  })
  const { frame, bus, prefix, publish } = await openFrame(t, worker)
  const values = ['1', '2', '3', '4', '5', '6', '7', '8']
  await publish(...values.map(note))
  const running = await runWorker(worker, {}, frame)
  t.after(() => running.stop())
  const answers = await collected(bus, fullName(prefix, answered))
  await until('all are answered', () => answers.length === values.length)
  assert.deepEqual(texts(answers), values)
  assert.ok(sizes.some((size) => size > 2))
})

test('an answer for a gate whose topic is gone is left out; the others get theirs', async (t) => {
  const gone: Topic<'gate.{}.note', Note> = { ...noteTopic('gate.{}.note') }
  const worker = defineWorker({
    name: 'answerer',
    consumes: asked,
    produces: [answered, gone],
    decide: (event) => [emit(gone, event, 'nowhere'), emit(answered, event)],
  })
  const { frame, bus, prefix, publish } = await openFrame(t, worker)
  const running = await runWorker(worker, {}, frame)
  t.after(() => running.stop())
  await publish(note('1'), note('2'))
  const answers = await collected(bus, fullName(prefix, answered))
  await until('both are answered', () => answers.length >= 2)
  assert.deepEqual(texts(answers), ['1', '2'])
})

test('work that a flush finds lost is read again, and only a kept flush commits', async (t) => {
  const flushes: (() => Promise<void>)[] = []
  const handled: string[] = []
  const claims: number[][] = []
  let kept = false
  const worker = defineWorker({
    name: 'flusher',
    consumes: asked,
    produces: [],
    decide: (event) => [save(event.text)],
    async save(rows: readonly string[]): Promise<readonly undefined[]> {
      handled.push(...rows)
      return []
    },
    checkpoint: {
      begin: async (partitions) => {
        claims.push([...partitions])
      },
      progress: async () => true,
      flush: async () => kept,
    },
  })
  const { frame, bus, publish } = await openFrame(t, worker, flushes)
  await publish(note('1'), note('2'))
  const first = await runWorker(worker, {}, frame)
  await until('both are handled', () => handled.length === 2)
  await flushes[0]?.()
  await until('both are handled again', () => handled.length === 4)
  assert.deepEqual(handled, ['1', '2', '1', '2'])
  assert.deepEqual(claims, [[0], [0]])
  kept = true
  await flushes[0]?.()
  await first.stop()

  await publish(note('3'))
  const second = await runWorker(worker, {}, { ...frame, bus })
  t.after(() => second.stop())
  await until('the third is handled', () => handled.length >= 5)
  assert.deepEqual(handled.slice(4), ['3'])
})

test('a record that is sent again for one group is passed by by every other', async (t) => {
  const seen: string[] = []
  const reader = (name: string) =>
    defineWorker({
      name,
      consumes: asked,
      produces: [],
      decide: ({ text }) => {
        seen.push(`${name}: ${text}`)
        return []
      },
    })
  const { frame, bus, prefix } = await openFrame(t, reader('one'))
  const running = await Promise.all([
    runWorker(reader('one'), {}, frame),
    runWorker(reader('two'), {}, frame),
  ])
  t.after(() => Promise.all(running.map((each) => each.stop())))
  const producer = await bus.producer('again')
  const record = (text: string, headers: Record<string, string> = {}) => ({
    topic: fullName(prefix, asked),
    key: 'k',
    value: Buffer.from(JSON.stringify({ text })),
    headers: resentHeaders(headers),
  })
  const rejected = { [deadLetterHeaders.group]: 'two', [deadLetterHeaders.reason]: 'broken' }
  await producer.publish([record('again', rejected), { ...record('new'), headers: {} }])
  await until('both have read', () => seen.filter((line) => line.endsWith('new')).length === 2)
  assert.deepEqual(seen.sort(), ['one: new', 'two: again', 'two: new'])
})
