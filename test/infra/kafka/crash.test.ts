import assert from 'node:assert/strict'
import { test } from 'node:test'
import kafkajs from 'kafkajs'
import { broker, makeTopic, openBus, uniqueName, until } from './bus-fixture.js'

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs

/** Snappy's simplest form: the bytes as one literal. */
function snappyLiteral(bytes: Buffer): Buffer {
  assert.ok(bytes.length < 128)
  return Buffer.concat([Buffer.from([bytes.length, 60 << 2, bytes.length - 1]), bytes])
}

test('a consumer that cannot go on says so instead of falling silent', async (t) => {
  const dead: string[] = []
  const bus = await openBus(t, { onDead: (reason) => dead.push(reason) })
  const topic = await makeTopic(t, bus)
  // A record in a codec that the client lacks: it would stop consuming for good, and the process would live on.
  const foreign = new Kafka({ brokers: [broker()], logLevel: logLevel.NOTHING }).producer()
  const lacking = CompressionCodecs[CompressionTypes.Snappy]
  CompressionCodecs[CompressionTypes.Snappy] = () => ({
    compress: async (encoder: { buffer: Buffer }) => snappyLiteral(encoder.buffer),
    decompress: async (bytes: Buffer) => bytes,
  })
  await foreign.connect()
  await foreign.send({ topic, compression: CompressionTypes.Snappy, messages: [{ value: 'x' }] })
  await foreign.disconnect()
  CompressionCodecs[CompressionTypes.Snappy] = lacking

  const group = uniqueName('group')
  const consumer = await bus.consumer({ group, topics: [topic], onBatch: async () => undefined })
  await until('it says so', () => dead.length > 0)
  assert.match(dead[0]!, new RegExp(`${group}.*Snappy`))
  assert.equal(consumer.isReady(), false)
})
