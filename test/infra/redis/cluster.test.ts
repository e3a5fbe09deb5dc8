/** Every port on a Redis Cluster: no command and no script names keys of two slots, and what order is needed is kept. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Redis } from 'ioredis'
import { createPendingAcks } from '../../../infra/redis/acks.js'
import { createRedis, mastersOf } from '../../../infra/redis/client.js'
import { createLoginFailures } from '../../../infra/redis/failures.js'
import { createWorkerHealth, startHeartbeats } from '../../../infra/redis/heartbeats.js'
import { redisKeys } from '../../../infra/redis/keys.js'
import {
  createEndedGates,
  createGateDirectory,
  createGateLease,
  nextEpoch,
} from '../../../infra/redis/lease.js'
import { createLocks } from '../../../infra/redis/locks.js'
import { createOnlineUsers } from '../../../infra/redis/online.js'
import { createPhones } from '../../../infra/redis/phones.js'
import { createDevicePresence, createPresence } from '../../../infra/redis/presence.js'
import { createPushRates } from '../../../infra/redis/push-rates.js'
import { createReportLedger } from '../../../infra/redis/reports.js'
import { redisAddress } from '../../../schemas/redis-settings.js'
import { silentLog } from '../../helpers/log.js'
import { noRedisServer, type RedisCluster, startRedisCluster } from '../../helpers/redis-servers.js'
import { conditionHolds } from '../../helpers/wait.js'

const skip = noRedisServer
const policy = 'one-per-type'
const keys = redisKeys('im.')
/** Their keys lie in many slots of all masters. */
const users = Array.from({ length: 300 }, (_, at) => at + 1)

let cluster: RedisCluster
let redis: Redis
before(async () => {
  if (skip) return
  cluster = await startRedisCluster()
  redis = createRedis(redisAddress({ REDIS_URL: cluster.url.split(','), REDIS_MODE: 'cluster' }), silentLog)
})
after(async () => {
  redis?.disconnect()
  await cluster?.stop()
})

const login = (user_id: number, login_number: number) => ({
  user_id,
  device: { client_type: 2 },
  gate_id: 'a',
  gate_epoch: 5,
  connection_id: user_id,
  login_number,
  since: 0,
})

test('logins of users on all masters are accepted, replaced, found and removed', { skip }, async () => {
  const presence = createPresence({ redis, keys, policy })
  const first = await presence.login(users.map((id) => login(id, 1)))
  assert.ok(first.every(({ accepted, replaced }) => accepted && replaced.length === 0))
  const again = await presence.login(users.map((id) => login(id, 2)))
  assert.ok(again.every(({ accepted, replaced }) => accepted && replaced.length === 1))
  assert.equal((await presence.of(users)).size, users.length)
  assert.ok((await cluster.sum((master) => master.dbsize())) > users.length)
  assert.equal(mastersOf(redis).length, 3)

  const gate = createDevicePresence({ redis, keys, policy, identity: { gate_id: 'a', gate_epoch: 5 } })
  const registered = users.map((id) => login(id, 2))
  assert.deepEqual(new Set(await gate.register(registered)), new Set(['kept']))
  const online = await createOnlineUsers({ redis, keys }).all()
  assert.deepEqual([online.users.length, online.gates], [users.length, ['a']])
  assert.deepEqual(new Set(await gate.remove(registered)), new Set([true]))
  await gate.announced(registered)
  assert.equal((await presence.of(users)).size, 0)
})

test('a lease is held, listed, and ended; its devices are taken offline', { skip }, async () => {
  const identity = { gate_id: 'b', gate_epoch: await nextEpoch({ redis, keys }, 'b') }
  const lease = createGateLease({ redis, keys, identity, lease_ms: 10_000 })
  assert.equal(await lease.renew({ tcp: 'b:1' }, 1), 'restored')
  assert.equal(await lease.renew({ tcp: 'b:1' }, 1), 'held')
  assert.deepEqual(await createGateDirectory({ redis, keys }).live(), [{ tcp: 'b:1' }])

  await createPresence({ redis, keys, policy }).login(users.map((id) => ({ ...login(id, 9), ...identity })))
  await lease.release()
  const ended = createEndedGates({ redis, keys, policy })
  assert.ok((await ended.list()).some(({ gate_id }) => gate_id === 'b'))
  const { removed } = await ended.takeOffline(identity, 500)
  assert.equal(removed.length, users.length)
  await ended.announced(identity, removed)
  assert.deepEqual(await ended.silent(['b', 'c'], 60_000), [])
  await ended.forget(['b', 'c'])
})

test('acks wait in their partitions under a claim, and are found with the progress', { skip }, async () => {
  const presence = createPresence({ redis, keys, policy })
  const acks = createPendingAcks({ redis, keys, lanes: 4, shown_ms: 0, presence, policy })
  const partitions = [0, 1, 2, 3]
  const of = (partition: number) => ({
    reader_user_id: partition,
    device: '2',
    from_user_id: 7,
    msg_id: `m${partition}`,
    login_number: 1,
    time: 1,
  })
  await acks.claim(partitions)
  for (const partition of partitions) await acks.add(partition, [of(partition)])
  assert.equal(await acks.progressed(partitions, 900), true)
  const found = await acks.find(partitions.map(of))
  assert.deepEqual(found, { acked: [true, true, true, true], handledUntil: 900 })
  for (const partition of partitions) assert.equal((await acks.read(partition))?.length, 1)
  await acks.drop(3, [of(3)])
  assert.deepEqual(await acks.read(3), [])
})

test('counters, caches, locks, reports and heartbeats work on whatever master their key is', {
  skip,
}, async () => {
  const device = { client_type: 2 }
  const failures = createLoginFailures({ redis, keys })
  assert.deepEqual(await failures.count([{ user_id: 1, address: '10.0.0.1' }]), [1])
  const rates = createPushRates({ redis, keys, perMinute: 1 })
  assert.deepEqual(
    await rates.take([
      { user_id: 1, device },
      { user_id: 1, device },
    ]),
    [true, false],
  )
  const source = { of: async (ids: readonly number[]) => new Map(ids.map((id) => [id, [device]] as const)) }
  const phones = createPhones({ redis, keys, source })
  assert.equal((await phones.of(users)).size, users.length)
  assert.equal((await phones.of(users)).size, users.length)
  await phones.forget(users)
  assert.equal(await createLocks({ redis, keys }).once('job', 1_000, async () => {}), true)
  const ledger = createReportLedger({ redis, keys })
  await ledger.published('1', 'r')
  assert.equal(await ledger.isPublished('1', 'r'), true)
  const hearts = startHeartbeats({ redis, keys, process: 'p', roles: () => ['login'], log: silentLog })
  await conditionHolds('the role is said to live', async () =>
    (await createWorkerHealth({ redis, keys }).check()).roles.includes('login'),
  )
  await hearts.stop()
})
