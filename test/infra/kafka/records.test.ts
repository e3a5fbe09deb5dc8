import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { produce, produceSlowly } from '../../../infra/kafka/records.js'

const text = (length: number) => 'ü✓a'.repeat(length).slice(0, length)

const recordsOf = (length: number) => [
  { key: null, value: Buffer.from(text(length)) },
  {
    key: text(length % 300),
    value: Buffer.from(text(length)),
    headers: { traceparent: text(length % 200), ü: '' },
  },
  { key: Buffer.from(text(length % 70)), value: text(length), headers: {} },
  { key: 'tombstone', value: null },
]

const request = (messages: Parameters<typeof produce>[0]['topicData'][0]['partitions'][0]['messages']) => ({
  acks: -1,
  timeout: 30_000,
  producerId: '4711',
  producerEpoch: 3,
  topicData: [
    { topic: 'im.ü', partitions: [{ partition: 7, firstSequence: 12, messages }] },
    {
      topic: 'im.two',
      partitions: [
        { partition: 0, messages: messages.slice(1) },
        { partition: 1, firstSequence: 1, messages },
      ],
    },
  ],
})

const bytesOf = async (make: typeof produce, input: Parameters<typeof produce>[0]) =>
  (await make(input).encode()).buffer

test('requests to publish are encoded to the bytes that the client itself makes', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 })
  for (const length of [0, 1, 62, 63, 64, 127, 128, 8_191, 8_192, 70_000]) {
    const input = request(recordsOf(length))
    assert.deepEqual(await bytesOf(produce, input), await bytesOf(produceSlowly, input))
  }
  const many = request(Array.from({ length: 200 }, () => recordsOf(20)).flat())
  assert.deepEqual(await bytesOf(produce, many), await bytesOf(produceSlowly, many))
  mock.timers.reset()
})

test('headers in bytes and timestamps go the way of the client itself', async () => {
  const rare = [
    { key: 'k', value: 'v', headers: { a: Buffer.from('bytes') } },
    { key: 'k', value: 'v', timestamp: '1700000000001' },
  ]
  for (const record of rare) {
    const input = {
      ...request([record]),
      topicData: [{ topic: 't', partitions: [{ partition: 0, messages: [record, record] }] }],
    }
    const [ours, theirs] = [await bytesOf(produce, input), await bytesOf(produceSlowly, input)]
    assert.equal(ours.length, theirs.length)
  }
})
