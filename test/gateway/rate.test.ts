import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fullBucket, strike, takeToken } from '../../gateway/rate.js'

const limit = { per_second: 50, burst: 100 }
const take = (bucket: ReturnType<typeof fullBucket>, times: number, now: number): number =>
  Array.from({ length: times }, () => takeToken(bucket, limit, now)).filter(Boolean).length

test('a full bucket gives its burst and then its rate', () => {
  const bucket = fullBucket(limit, 0)
  assert.equal(take(bucket, 150, 0), 100)
  assert.equal(take(bucket, 150, 1_000), 50)
  assert.equal(take(bucket, 150, 1_010), 0)
  assert.equal(take(bucket, 150, 1_020), 1)
})

test('a bucket never holds more than its burst', () => {
  const bucket = fullBucket(limit, 0)
  assert.equal(take(bucket, 1_000, 3_600_000), 100)
})

test('the tenth bad packet within a minute is one too many', () => {
  const times: number[] = []
  for (let at = 0; at < 9; at++) assert.equal(strike(times, at * 1_000), false)
  assert.equal(strike(times, 60_000), true)
})

test('bad packets over more than a minute are forgiven', () => {
  const times: number[] = []
  for (let at = 0; at < 50; at++) assert.equal(strike(times, at * 7_000), false)
})
