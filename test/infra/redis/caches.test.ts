import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createRedis } from '../../../infra/redis/client.js'
import { createLoginFailures } from '../../../infra/redis/failures.js'
import { createWorkerHealth, startHeartbeats } from '../../../infra/redis/heartbeats.js'
import { createPhones } from '../../../infra/redis/phones.js'
import type { DeviceName } from '../../../schemas/ids.js'
import { redisAddress } from '../../../schemas/redis-settings.js'
import { silentLog } from '../../helpers/log.js'
import { freshRedis } from '../../helpers/redis.js'
import { stack } from '../../helpers/stack.js'
import { startTcpProxy } from '../../helpers/tcp-proxy.js'

const { redis, keys, forgetAll } = freshRedis()
beforeEach(forgetAll)

/** Phones in memory, with the queries that were made. */
function source(phones: Map<number, DeviceName[]>) {
  const queries: number[][] = []
  return {
    queries,
    of: async (userIds: readonly number[]) => {
      queries.push([...userIds])
      return new Map([...phones].filter(([id]) => userIds.includes(id)))
    },
  }
}

test('phones are read from the database once, all missing users in one query', async () => {
  const truth = source(new Map([[1, [{ client_type: 2, device_id: 'a' }, { client_type: 1 }]]]))
  const phones = createPhones({ redis, keys, source: truth })
  const expected = new Map([[1, [{ client_type: 2, device_id: 'a' }, { client_type: 1 }]]])
  assert.deepEqual(await phones.of([1, 2, 1]), expected)
  assert.deepEqual(await phones.of([2, 1]), expected)
  assert.deepEqual(truth.queries, [[1, 2]])
  await phones.forget([1])
  assert.deepEqual(await phones.of([1, 2]), expected)
  assert.deepEqual(truth.queries, [[1, 2], [1]])
})

test('a change while the database is read is not covered by what was read before it', async () => {
  const device = { client_type: 2 }
  const queried: number[] = []
  const phones = createPhones({
    redis,
    keys,
    source: {
      async of() {
        queried.push(1)
        // The device logs out just now.
        if (queried.length === 1) await phones.forget([1])
        return new Map(queried.length === 1 ? [[1, [device]]] : [])
      },
    },
  })
  await phones.of([1])
  assert.deepEqual(await phones.of([1]), new Map())
  assert.equal(queried.length, 2)
})

test('failures are counted by account and by address for a minute', async () => {
  const failures = createLoginFailures({ redis, keys })
  assert.deepEqual(await failures.count([{ user_id: 1, address: '10.0.0.1' }]), [1])
  assert.deepEqual(await failures.count([{ user_id: 1, address: '10.0.0.2' }]), [2])
  assert.deepEqual(await failures.count([{ user_id: 2, address: '10.0.0.2' }]), [2])
  assert.deepEqual(await failures.count([{ user_id: 3, address: undefined }]), [1])
  const left = await redis.pttl(keys.failuresOfUser(1))
  assert.ok(left > 50_000 && left <= 60_000)
})

test('health knows the roles that beat, and the database is up when all who have one say so', async () => {
  const health = createWorkerHealth({ redis, keys })
  assert.deepEqual(await health.check(), { roles: [], database: false })
  let up = true
  const beats = (process: string, roles: string[], database?: () => Promise<boolean>) =>
    startHeartbeats({
      redis,
      keys,
      process,
      roles: () => roles,
      log: silentLog,
      ...(database ? { database } : {}),
    })
  const [a, b] = [beats('a', ['login', 'delivery'], async () => up), beats('b', ['delivery', 'presence'])]
  await Promise.all([a.beatNow(), b.beatNow()])
  const answer = await health.check()
  assert.deepEqual([...answer.roles].sort(), ['delivery', 'login', 'presence'])
  assert.equal(answer.database, true)
  up = false
  await a.beatNow()
  assert.equal((await health.check()).database, false)
  await b.stop()
  assert.deepEqual([...(await health.check()).roles].sort(), ['delivery', 'login'])
  await a.stop()
  assert.deepEqual(await health.check(), { roles: [], database: false })
})

test('a worker that fell silent for ten seconds is gone from health', async () => {
  const health = createWorkerHealth({ redis, keys })
  await redis.hset(keys.workers, 'login|old', `${Date.now() - 11_000}:up`, 'users|new', `${Date.now()}:up`)
  assert.deepEqual(await health.check(), { roles: ['users'], database: true })
})

test('commands fail within seconds when there is no Redis', async () => {
  const nowhere = createRedis(redisAddress({ REDIS_URL: ['redis://127.0.0.1:1'] }), silentLog)
  const begun = performance.now()
  await assert.rejects(nowhere.get('x'))
  assert.ok(performance.now() - begun < 3_000)
  nowhere.disconnect()
})

test('a script is done that is first called while other commands wait for their answers', async () => {
  const late = createRedis(redisAddress({ REDIS_URL: [stack().redis] }), silentLog)
  try {
    const first = late.get('under way') // waits for the connection
    await setImmediate()
    const second = late.get('collected meanwhile')
    const failures = createLoginFailures({ redis: late, keys })
    assert.deepEqual(await failures.count([{ user_id: 10, address: undefined }]), [1])
    assert.deepEqual(await Promise.all([first, second]), [null, null])
  } finally {
    late.disconnect()
  }
})

test('a Redis that falls silent fails commands within seconds, and serves again soon after it is back', async () => {
  const proxy = await startTcpProxy(new URL(stack().redis).host)
  const through = createRedis(redisAddress({ REDIS_URL: [`redis://${proxy.address}`] }), silentLog)
  const failures = createLoginFailures({ redis: through, keys })
  const fail = () => failures.count([{ user_id: 9, address: undefined }])
  try {
    assert.deepEqual(await fail(), [1])
    proxy.setBlackHole(true)
    const begun = performance.now()
    await assert.rejects(fail())
    assert.ok(performance.now() - begun < 3_000)
    proxy.setBlackHole(false)
    proxy.cutAll()
    let back = performance.now()
    while (!(await fail().then(Boolean, () => false)));
    back = performance.now() - back
    assert.ok(back < 3_000, `${back} ms`)
  } finally {
    through.disconnect()
    await proxy.close()
  }
})
