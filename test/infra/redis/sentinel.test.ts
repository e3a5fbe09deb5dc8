/** Redis behind sentinels: the client follows the master, and a gate learns that something may have been lost. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Redis } from 'ioredis'
import { createRedis } from '../../../infra/redis/client.js'
import { redisKeys } from '../../../infra/redis/keys.js'
import { createGateLease } from '../../../infra/redis/lease.js'
import { watchLosses } from '../../../infra/redis/losses.js'
import { createDevicePresence, createPresence } from '../../../infra/redis/presence.js'
import { readConfig } from '../../../schemas/config.js'
import { redisAddress } from '../../../schemas/redis-settings.js'
import { silentLog } from '../../helpers/log.js'
import { noRedisServer, type SentinelGroup, startSentinels } from '../../helpers/redis-servers.js'
import { conditionHolds } from '../../helpers/wait.js'

const skip = noRedisServer
const keys = redisKeys('im.')
const policy = 'one-per-type'
const identity = { gate_id: 'a', gate_epoch: 5 }
const failOverWithin_ms = 60_000

let group: SentinelGroup
let redis: Redis
before(async () => {
  if (skip) return
  group = await startSentinels()
  redis = createRedis(redisAddress(readConfig(group.settings)), silentLog)
})
after(async () => {
  redis?.disconnect()
  await group?.stop()
})

const login = (user_id: number) => ({
  user_id,
  device: { client_type: 2 },
  connection_id: user_id,
  login_number: 1,
  since: 0,
})

test('a master that is killed is followed by its replica, and the gate registers its devices again', {
  skip,
}, async () => {
  const lease = createGateLease({ redis, keys, identity, lease_ms: 600_000 })
  const presence = createPresence({ redis, keys, policy })
  const gate = createDevicePresence({ redis, keys, policy, identity })
  assert.equal(await lease.renew({}, 0), 'restored')
  assert.equal(await lease.renew({}, 0), 'held')
  await gate.register([login(1), login(2)])
  assert.deepEqual(await gate.remove([login(2)]), [true])

  const [master, replica] = group.servers
  await master.program.end('SIGKILL')
  const again = () => lease.renew({}, 0).catch(() => 'away')
  await conditionHolds('the gate is told', async () => (await again()) === 'restored', failOverWithin_ms)
  assert.match(await replica.redis.info('replication'), /role:master/)

  // What the new master lacks, and what it has though it is over.
  await replica.redis.del(keys.presence(1))
  await presence.login([{ ...login(2), ...identity }])
  assert.deepEqual(await gate.register([login(1)]), ['returned'])
  assert.deepEqual([...(await presence.of([1, 2])).keys()], [1])
})

test('a loss is told at once, and once more for what was on its way', { skip }, async () => {
  let now = 1_000
  const [, master] = group.servers
  const losses = watchLosses(redis, () => now)
  assert.equal(await losses.look(), false, 'nothing is known to be lost before the first look')
  await master.redis.call('DEBUG', 'CHANGE-REPL-ID')
  assert.equal(await losses.look(), true)
  assert.equal(await losses.look(), true, 'until it was told')
  losses.told()
  assert.equal(await losses.look(), false)
  now += 10_000
  assert.equal(await losses.look(), true)
  losses.told()
  now += 100_000
  assert.equal(await losses.look(), false)
})

test('a client that hears of a new master while it connects comes to it all the same', {
  skip,
}, async () => {
  const { connector } = redis as unknown as { readonly connector: { disconnect(): void } }
  redis.once('connecting', () => connector.disconnect())
  const ended = new Promise<void>((resolve) => void redis.once('end', resolve))
  redis.disconnect(true)
  await ended
  const answers = () => redis.ping().catch(() => undefined)
  await conditionHolds('it is back', async () => (await answers()) === 'PONG')
})

test('a client that was told to disconnect stays away', { skip }, async () => {
  const other = createRedis(redisAddress(readConfig(group.settings)), silentLog)
  await other.ping()
  const ended = new Promise<void>((resolve) => void other.once('end', resolve))
  other.disconnect()
  await ended
  await redis.ping()
  assert.equal(other.status, 'end')
})
