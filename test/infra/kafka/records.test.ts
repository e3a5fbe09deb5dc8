import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeRecord, encodeSlowly } from '../../../infra/kafka/records.js'

const text = (length: number) => 'ü✓a'.repeat(length).slice(0, length)

test('records are encoded to the bytes that the client itself makes', () => {
  for (const length of [0, 1, 62, 63, 64, 127, 128, 8_191, 8_192, 70_000])
    for (const offsetDelta of [0, 63, 64, 499])
      for (const timestampDelta of [0, 64, 100_000])
        for (const key of [null, '', text(length % 300), Buffer.from(text(length % 70))])
          for (const headers of [
            {},
            { traceparent: text(length % 200), ü: '' },
            { a: Buffer.from('bytes') },
          ]) {
            const record = { key, value: Buffer.from(text(length)), headers, offsetDelta, timestampDelta }
            assert.deepEqual(encodeRecord(record).buffer, encodeSlowly(record).buffer)
          }
  const tombstone = { key: 'k', value: null }
  assert.deepEqual(encodeRecord(tombstone).buffer, encodeSlowly(tombstone).buffer)
})
