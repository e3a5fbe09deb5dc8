/** A bus on the real Kafka for one test: topics of its own, everything closed and deleted at the end. */
import type { TestContext } from 'node:test'
import { type BusSettings, createBus, type MeasuredBus } from '../../../infra/kafka/bus.js'
import type { Bus, ConsumerOptions, IncomingRecord, OutgoingRecord } from '../../../schemas/bus.js'
import type { Logger } from '../../../schemas/log.js'

export const broker = (): string => {
  const address = process.env.TEST_KAFKA_BROKERS
  if (!address) throw new Error('TEST_KAFKA_BROKERS is not set: run the tests with npm test')
  return address
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

export interface LogLine {
  readonly level: keyof Logger
  readonly fields: Readonly<Record<string, unknown>>
  readonly text: string
}

/** A log that keeps its lines. */
export function keepingLog(): Logger & { lines: LogLine[] } {
  const lines: LogLine[] = []
  const at = (level: keyof Logger) => (fields: object, text?: string) => {
    lines.push({ level, fields: fields as Record<string, unknown>, text: text ?? '' })
  }
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

export const settingsOf = (changes: Partial<BusSettings> = {}): BusSettings => ({
  brokers: [broker()],
  clientId: 'test',
  prefix: 'test.',
  replication: 1,
  log: silent,
  onDead: (reason) => {
    throw new Error(reason)
  },
  ...changes,
})

export async function openBus(t: TestContext, changes: Partial<BusSettings> = {}): Promise<MeasuredBus> {
  const bus = await createBus(settingsOf(changes))
  t.after(() => bus.close())
  return bus
}

let made = 0

export const uniqueName = (what: string): string => `${what}-${process.pid}-${Date.now()}-${made++}`

/** A topic of the test's own, deleted after it. */
export async function makeTopic(t: TestContext, bus: Bus, partitions = 1): Promise<string> {
  const name = `test.${uniqueName('topic')}`
  await bus.ensureTopics([{ name, partitions, config: { 'message.timestamp.type': 'LogAppendTime' } }])
  t.after(async () => {
    const cleaner = await createBus(settingsOf())
    await cleaner.deleteTopics([name])
    await cleaner.close()
  })
  return name
}

export const record = (topic: string, key: string | null, value: string): OutgoingRecord => ({
  topic,
  key,
  value: Buffer.from(value),
})

/** Resolves when the condition holds; fails with `what` otherwise. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, limit_ms = 15_000) {
  const end = Date.now() + limit_ms
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${limit_ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A consumer that keeps all records in the order in which they came. */
export async function collect(bus: Bus, topic: string, options: Partial<ConsumerOptions> = {}) {
  const records: IncomingRecord[] = []
  const consumer = await bus.consumer({
    group: uniqueName('group'),
    topics: [topic],
    onBatch: async (batch) => {
      records.push(...batch.records)
    },
    ...options,
  })
  await consumer.ready
  return { consumer, records, values: () => records.map(({ value }) => value.toString()) }
}
