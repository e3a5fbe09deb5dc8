import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findKnee } from '../../bench/knee.js'

/** A system that holds every rate up to `limit`. */
const holding = (limit: number) => (rate: number) => Promise.resolve(rate <= limit)

for (const limit of [300, 1_000, 2_000, 6_400, 31_000])
  test(`a knee at ${limit} is found to a tenth`, async () => {
    const knee = await findKnee(2_000, holding(limit))
    assert.ok(knee <= limit && knee * 1.1 >= limit - 10, `${knee}`)
  })

test('a system that holds nothing has no knee', async () => {
  assert.equal(await findKnee(2_000, holding(0)), 0)
})

test('one bad run does not make a knee', async () => {
  let stalled = false
  const knee = await findKnee(2_000, (rate) => {
    if (rate !== 4_000 || stalled) return Promise.resolve(rate <= 8_000)
    stalled = true
    return Promise.resolve(false)
  })
  assert.ok(knee >= 7_000, `${knee}`)
})

for (const limit of [3, 5, 6, 21, 87])
  test(`a low knee at ${limit} is found in steps of one`, async () => {
    const knee = await findKnee(20, holding(limit), 1)
    assert.ok(knee <= limit && knee * 1.1 >= limit - 1, `${knee}`)
  })
