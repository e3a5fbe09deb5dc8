import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { murmur2 } from '../../../infra/kafka/murmur.js'

const theirs = createRequire(import.meta.url)('kafkajs/src/producer/partitioners/default/murmur2.js') as (
  key: Buffer | string,
) => number

test('a key goes to the partition that every other client chooses', () => {
  for (let length = 0; length < 40; length++)
    for (const letter of ['a', 'ü', '🦊', '\u0000', '\u00ff'])
      assert.equal(murmur2(letter.repeat(length)), theirs(letter.repeat(length)))
  for (let user = 1; user < 3_000; user += 7) {
    const key = `c:${user}:${user * 31}`
    assert.equal(murmur2(key), theirs(key))
    assert.equal(murmur2(Buffer.from(key)), theirs(key))
  }
})
