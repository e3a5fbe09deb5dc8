import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAdmission } from '../../gateway/admission.js'

const setUp = () => {
  const clock = { now: 0 }
  const admission = createAdmission({ per_second: 50, burst: 200 }, () => clock.now)
  const seen = { entered: 0, turnedAway: 0 }
  const knock = (times: number, address = '203.0.113.9', isWaiting = () => true): void => {
    for (let at = 0; at < times; at++)
      admission.admit(address, {
        enter: () => {
          seen.entered++
        },
        turnAway: () => {
          seen.turnedAway++
        },
        isWaiting,
      })
  }
  return { clock, admission, seen, knock }
}

test('an address may open its burst at once; the others wait for its rate', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { clock, seen, knock, admission } = setUp()
  knock(300)
  assert.equal(seen.entered, 200)
  clock.now += 1_000
  t.mock.timers.tick(20)
  assert.equal(seen.entered, 250)
  knock(1, '203.0.113.10')
  assert.equal(seen.entered, 251)
  admission.stop()
  assert.equal(seen.turnedAway, 50)
})

test('above a queue of a thousand an address is turned away', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { seen, knock, admission } = setUp()
  knock(1_201)
  assert.deepEqual(seen, { entered: 200, turnedAway: 1 })
  admission.stop()
})

test('who left while waiting costs nobody a place', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { clock, seen, knock, admission } = setUp()
  knock(200)
  knock(500, '203.0.113.9', () => false)
  knock(1)
  clock.now += 20
  t.mock.timers.tick(20)
  assert.equal(seen.entered, 201)
  admission.stop()
})
