import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoffDelay, pickAddress } from '../../client/backoff.js'
import { createPushes } from '../../client/pushes.js'

const backoff = { first_ms: 500, longest_ms: 30_000 }

/** Attempt → the shortest and the longest wait. */
const waits: [number, number, number][] = [
  [0, 250, 500],
  [1, 500, 1_000],
  [3, 2_000, 4_000],
  [6, 15_000, 30_000],
  [1_000, 15_000, 30_000],
]
for (const [attempt, least, most] of waits)
  test(`attempt ${attempt} waits ${least} to ${most} ms`, () => {
    assert.equal(backoffDelay(backoff, attempt, 0), least)
    assert.equal(backoffDelay(backoff, attempt, 1), most)
  })

/** Addresses, attempt, chance, whom to avoid → which. */
const picks: [string, number, number, string | undefined, string | undefined][] = [
  ['', 0, 0, undefined, undefined],
  ['a', 0, 0.99, undefined, 'a'],
  ['a b c d', 0, 0, undefined, 'a'],
  ['a b c d', 0, 0.49, undefined, 'a'],
  ['a b c d', 0, 0.5, undefined, 'b'],
  ['a b c d', 0, 0.99, undefined, 'b'],
  ['a b c d', 1, 0.99, undefined, 'c'],
  ['a b c d', 3, 0.99, undefined, 'a'],
  ['a b', 0, 0, 'a', 'b'],
  ['a b', 1, 0, 'a', 'b'],
  ['a', 0, 0, 'a', 'a'],
]
for (const [list, attempt, chance, avoid, expected] of picks)
  test(`of "${list}" at attempt ${attempt}, chance ${chance}, not ${avoid}: ${expected}`, () => {
    const addresses = list.split(' ').filter((each) => each !== '')
    assert.equal(pickAddress(addresses, attempt, chance, avoid), expected)
  })

test('a push is new once; the oldest of a thousand is forgotten', () => {
  const pushes = createPushes()
  assert.equal(pushes.isNew('a'), true)
  assert.equal(pushes.isNew('a'), false)
  for (let at = 0; at < 1_000; at++) assert.equal(pushes.isNew(`p${at}`), true)
  assert.equal(pushes.isNew('p999'), false)
  assert.equal(pushes.isNew('a'), true)
})
