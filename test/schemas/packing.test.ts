import assert from 'node:assert/strict'
import { test } from 'node:test'
import { packEvents, unpackEvents } from '../../schemas/packing.js'

test('events come out of a record as they went in, empty ones too', () => {
  for (const events of [
    [],
    [''],
    ['a'],
    ['a', '', 'ccc'],
    Array.from({ length: 500 }, (_, n) => 'x'.repeat(n)),
  ]) {
    const value = packEvents(events.map((each) => Buffer.from(each)))
    assert.deepEqual(
      unpackEvents(value).map((each) => each.toString()),
      events,
    )
  }
})

test('a record that was cut anywhere but between two events is refused', () => {
  const value = packEvents([Buffer.from('one'), Buffer.from('two')])
  for (let size = 1; size < value.length; size++)
    if (size !== 7) assert.throws(() => unpackEvents(value.subarray(0, size)), RangeError)
})
