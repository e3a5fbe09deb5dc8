import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge } from '../../../infra/kafka/watchdog.js'

const second = 1_000

test('a consumer is judged by its last signs of life', () => {
  const now = 1_000 * second
  const at = (ago: { progress: number; fetched: number; member: number }) =>
    judge(now, {
      progress: now - ago.progress * second,
      fetched: now - ago.fetched * second,
      member: now - ago.member * second,
    })
  assert.equal(at({ progress: 0, fetched: 0, member: 0 }), 'alive')
  assert.equal(at({ progress: 300, fetched: 1, member: 1 }), 'alive', 'idle')
  assert.equal(at({ progress: 1, fetched: 300, member: 1 }), 'alive', 'waits with a batch in hand')
  assert.equal(at({ progress: 61, fetched: 61, member: 1 }), 'ask for lag', 'only heartbeats')
  assert.equal(at({ progress: 1, fetched: 1, member: 42 }), 'memberless', 'fetches without the group')
  assert.equal(at({ progress: 90, fetched: 90, member: 90 }), 'ask for lag', 'nothing at all')
})
