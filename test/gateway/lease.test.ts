import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLeaseKeeper } from '../../gateway/lease.js'
import { silentLog } from '../helpers/log.js'

type Answer = 'held' | 'restored' | 'fenced'

const setUp = (answers: (Answer | Error)[]) => {
  const clock = { now: 1_000 }
  const seen = { registrations: 0, fenced: 0 }
  const keeper = createLeaseKeeper({
    lease_ms: 12_000,
    now: () => clock.now,
    async renew() {
      const answer = answers.shift() ?? 'held'
      if (answer instanceof Error) throw answer
      return answer
    },
    async registerAll() {
      seen.registrations++
    },
    onFenced: () => {
      seen.fenced++
    },
    log: silentLog,
  })
  return { keeper, clock, seen }
}

test('a gate is suspended until its first lease', async () => {
  const { keeper } = setUp(['restored'])
  assert.equal(keeper.isSuspended(), true)
  await keeper.start()
  assert.equal(keeper.isSuspended(), false)
  keeper.stop()
})

test('a lease that was not renewed in time suspends, by the clock alone', async () => {
  const { keeper, clock } = setUp(['restored'])
  await keeper.start()
  clock.now += 11_999
  assert.equal(keeper.isSuspended(), false)
  clock.now += 1
  assert.equal(keeper.isSuspended(), true)
  keeper.stop()
})

test('after a freeze the devices are registered again before the gate goes on, even where Redis still knew the lease', async () => {
  const { keeper, clock, seen } = setUp(['restored', 'held'])
  await keeper.start()
  clock.now += 20_000
  await keeper.renew()
  assert.equal(seen.registrations, 2)
  assert.equal(keeper.isSuspended(), false)
  keeper.stop()
})

test('a lease that Redis lost is registered again although it was in time', async () => {
  const { keeper, seen } = setUp(['restored', 'held', 'restored'])
  await keeper.start()
  await keeper.renew()
  assert.equal(seen.registrations, 1)
  await keeper.renew()
  assert.equal(seen.registrations, 2)
  keeper.stop()
})

test('the lease runs from before its renewal: an answer read after a freeze is too old', async () => {
  const clock = { now: 0 }
  const keeper = createLeaseKeeper({
    lease_ms: 12_000,
    now: () => clock.now,
    async renew() {
      clock.now += 20_000
      return 'restored'
    },
    registerAll: async () => {},
    onFenced() {},
    log: silentLog,
  })
  await keeper.renew()
  assert.equal(keeper.isSuspended(), true)
  keeper.stop()
})

test('while Redis is away the gate stays suspended; whoever waits is woken when it is back', async () => {
  const { keeper, clock } = setUp(['restored', new Error('away'), 'held'])
  await keeper.start()
  clock.now += 12_000
  await assert.rejects(keeper.renew())
  assert.equal(keeper.isSuspended(), true)
  const held = keeper.whenHeld(60_000)
  await keeper.renew()
  await held
  assert.equal(keeper.isSuspended(), false)
  keeper.stop()
})

test('a fenced gate is told once and never goes on', async () => {
  const { keeper, seen } = setUp(['restored', 'fenced', 'held'])
  await keeper.start()
  await keeper.renew()
  assert.equal(seen.fenced, 1)
  assert.equal(keeper.isSuspended(), true)
  assert.equal(keeper.isFenced(), true)
  keeper.stop()
})

test('a gate whose id was taken by a newer one does not start', async () => {
  const { keeper } = setUp(['fenced'])
  await assert.rejects(keeper.start(), /newer gate/)
})
