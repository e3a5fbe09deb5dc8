import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import {
  createEndedGates,
  createGateDirectory,
  createGateLease,
  nextEpoch,
} from '../../../infra/redis/lease.js'
import { createLocks } from '../../../infra/redis/locks.js'
import { createPresence } from '../../../infra/redis/presence.js'
import { freshRedis } from '../../helpers/redis.js'

const { redis, keys, forgetAll } = freshRedis()
const policy = 'one-per-type'
const lease = (gate_id: string, gate_epoch: number, lease_ms = 10_000) =>
  createGateLease({ redis, keys, lease_ms, identity: { gate_id, gate_epoch } })
const directory = createGateDirectory({ redis, keys })
const ended = createEndedGates({ redis, keys, policy })
const presence = createPresence({ redis, keys, policy })
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

beforeEach(forgetAll)

test('a lease is restored when taken, held while renewed, restored after it lapsed or was lost', async () => {
  const gate = lease('a', 5, 200)
  assert.equal(await gate.renew({}, 0), 'restored')
  assert.equal(await gate.renew({}, 0), 'held')
  await wait(250)
  assert.equal(await gate.renew({}, 0), 'restored')
  await redis.del(keys.lease('a'))
  assert.equal(await gate.renew({}, 0), 'restored')
  assert.equal(await gate.renew({}, 0), 'held')
})

test('a gate whose renewal was answered to nobody is told again that it must register', async () => {
  await lease('a', 5).renew({}, 0)
  assert.equal(await lease('a', 5).renew({}, 0), 'restored')
})

test('an older start is fenced by a newer one, also after that is gone', async () => {
  const [old, young] = [lease('a', 5, 100), lease('a', 6, 100)]
  await old.renew({}, 0)
  assert.equal(await young.renew({}, 0), 'restored')
  assert.equal(await old.renew({}, 0), 'fenced')
  await old.release()
  assert.equal(await young.renew({}, 0), 'held')
  await young.release()
  await wait(150)
  assert.equal(await old.renew({}, 0), 'fenced')
})

test('the next epoch is above every one that is remembered', async () => {
  assert.ok(Math.abs((await nextEpoch({ redis, keys }, 'a')) - Date.now()) < 1_000)
  const future = Date.now() + 3_600_000
  await lease('a', future).renew({}, 0)
  assert.equal(await nextEpoch({ redis, keys }, 'a'), future + 1)
})

test('the directory names live gates, least loaded first', async () => {
  await lease('busy', 1).renew({ tcp: 'busy:1' }, 20)
  await lease('idle', 1).renew({ tcp: 'idle:1', ws: 'ws://idle' }, 3)
  await lease('lapsed', 1, 50).renew({ tcp: 'lapsed:1' }, 0)
  const left = lease('left', 1)
  await left.renew({ tcp: 'left:1' }, 0)
  await left.release()
  await wait(80)
  assert.deepEqual(await directory.live(), [{ tcp: 'idle:1', ws: 'ws://idle' }, { tcp: 'busy:1' }])
})

test('starts that lapsed, were released or superseded have ended; one whose lease lives has not', async () => {
  await lease('live', 1).renew({}, 0)
  await lease('lapsed', 1, 20).renew({}, 0)
  await lease('twice', 1).renew({}, 0)
  await lease('twice', 2).renew({}, 0)
  await wait(50)
  const found = await ended.list()
  assert.deepEqual(
    [...found].sort((a, b) => a.gate_id.localeCompare(b.gate_id)),
    [
      { gate_id: 'lapsed', gate_epoch: 1, superseded: false },
      { gate_id: 'twice', gate_epoch: 1, superseded: true },
    ],
  )
})

test('a login of a start that nobody heard of is found by the sweep', async () => {
  await presence.login([
    {
      user_id: 1,
      device: { client_type: 2 },
      gate_id: 'late',
      gate_epoch: 3,
      connection_id: 1,
      login_number: 1,
      since: 0,
    },
  ])
  assert.deepEqual(await ended.list(), [{ gate_id: 'late', gate_epoch: 3, superseded: false }])
})

test('a start is forgotten ten minutes after its end, but not while it has devices', async () => {
  const longAgo = Date.now() - 11 * 60_000
  await redis.zadd(keys.gateStarts, longAgo, 'empty|1', longAgo, 'full|1')
  await redis.sadd(keys.gateLogins({ gate_id: 'full', gate_epoch: 1 }), '1|1|0|2')
  await ended.list()
  assert.deepEqual(
    (await ended.list()).map(({ gate_id }) => gate_id),
    ['full'],
  )
})

test('a gate is silent a day after its last renewal; one never heard of counts from now', async () => {
  const day_ms = 24 * 3_600_000
  await lease('fresh', 1).renew({}, 0)
  await redis.zadd(keys.gatesHeard, Date.now() - day_ms - 1_000, 'old')
  assert.deepEqual(await ended.silent(['fresh', 'old', 'unheard'], day_ms), ['old'])
  await ended.forget(['old'])
  assert.deepEqual(await ended.silent(['old', 'unheard'], day_ms), [])
})

test('a lock lets one of many work, and is free again when its holder failed', async () => {
  const locks = createLocks({ redis, keys })
  let worked = 0
  const results = await Promise.all(
    [1, 2, 3].map(() =>
      locks.once('job', 5_000, async () => {
        worked++
        await wait(50)
      }),
    ),
  )
  assert.equal(worked, 1)
  assert.deepEqual(results.filter(Boolean).length, 1)
  await assert.rejects(
    locks.once('job', 5_000, () => Promise.reject(new Error('ill'))),
    /ill/,
  )
  assert.equal(await locks.once('job', 5_000, async () => {}), true)
})
