import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { judge, watch } from '../../../infra/kafka/watchdog.js'
import { keepingLog } from './bus-fixture.js'

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

/** Lets the watchdog look, `looks` times, with nothing going on; `hasLag` as the brokers would answer. */
async function watchFor(t: TestContext, looks: number, hasLag: (look: number) => Promise<boolean>) {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'] })
  const dead: string[] = []
  let asked = 0
  const watchdog = watch({
    group: 'g',
    log: keepingLog(),
    hasLag: () => hasLag(++asked),
    onDead: (reason) => dead.push(reason),
  })
  for (let look = 0; look < looks; look++) {
    t.mock.timers.tick(10 * second)
    await new Promise((resolve) => setImmediate(resolve))
  }
  watchdog.stop()
  return { dead, asked }
}

test('a consumer that does nothing while records wait is given up after 80 to 90 s', async (t) => {
  assert.deepEqual((await watchFor(t, 8, async () => true)).dead, [])
  t.mock.timers.reset()
  assert.match((await watchFor(t, 9, async () => true)).dead[0] ?? '', /group g: records wait/)
})

test('a consumer without records is never given up', async (t) => {
  assert.deepEqual(await watchFor(t, 60, async () => false), { dead: [], asked: 54 })
})

test('an outage is no fault of the consumer, nor is the time to join again after it', async (t) => {
  const brokersAreAway = (look: number) => look < 50
  const { dead } = await watchFor(t, 57, async (look) => {
    if (brokersAreAway(look)) throw new Error('away')
    return true
  })
  assert.deepEqual(dead, [])
})
