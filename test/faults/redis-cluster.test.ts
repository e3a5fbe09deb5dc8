/**
 * A master of a Redis Cluster is killed under load, again and again: what its replica lacks is made again (promises I5,
 * I6, I7), by the same processes.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { redisKeys } from '../../infra/redis/keys.js'
import { type Correspondence, openCorrespondence } from '../helpers/correspondence.js'
import { randomNumbers } from '../helpers/random.js'
import { noRedisServer, type RedisCluster, startRedisCluster } from '../helpers/redis-servers.js'
import { rowsOf } from '../helpers/rows.js'
import { type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

const skip = noRedisServer
const seed = Number(process.env.FAULTS_SEED ?? 1)
const recovery_ms = 60_000

let cluster: RedisCluster
let system: System
let correspondence: Correspondence
before(async () => {
  if (skip) return
  cluster = await startRedisCluster()
  system = await startSystem({
    gateways: 2,
    env: {
      REDIS_URL: cluster.url,
      REDIS_MODE: 'cluster',
      ACK_FLUSH_CRON: '*/4 * * * * *',
      RATE_LIMIT_PACKETS: '1000',
      DELIVERY_CHECK_DELAYS_MS: '3000,6000,12000',
    },
  })
  correspondence = await openCorrespondence(system, 12, randomNumbers(seed))
})
after(async () => {
  await correspondence?.stop()
  await system?.stop()
  await cluster?.stop()
})

/** Whether Redis knows where every writer is. */
async function everyoneIsPresent(): Promise<boolean> {
  const keys = redisKeys(system.prefix)
  const names = correspondence.writers.map(({ user_id }) => keys.presence(user_id))
  const owners = await Promise.all(names.map((name) => cluster.masterOf(name)))
  const known = await Promise.all(names.map((name, at) => owners[at]?.redis.exists(name) ?? 0))
  return known.every((count) => count === 1)
}

/** Messages that a device has acked and that are not marked as delivered. */
async function acksNotStored(): Promise<string[]> {
  const text = 'SELECT client_msg_id FROM im_message_recv WHERE delivered = 0'
  const rows = await rowsOf<{ client_msg_id: string }>(system.databaseUrl, text)
  return rows.map(({ client_msg_id }) => client_msg_id)
}

test('a master that is killed under load takes nothing with it, wherever it has what', {
  skip,
}, async (t) => {
  const keys = redisKeys(system.prefix)
  const pids = [...system.processes.values()].map(({ pid }) => pid)
  const victims = [keys.acks(0), keys.lease('gate-1'), keys.presence(correspondence.writers[0]!.user_id)]
  for (const key of victims) {
    await until('the cluster is whole', () => cluster.isWhole(), recovery_ms)
    const master = await cluster.masterOf(key)
    correspondence.write(30)
    await correspondence.progress(60, recovery_ms)
    await master.program.end('SIGKILL')
    t.diagnostic(`killed the master of ${key} with ${correspondence.waiting()} messages on their way`)
    const failedOver = async () => (await cluster.masterOf(key)).port !== master.port
    await until('a replica is the master', failedOver, recovery_ms)
    correspondence.write(10)
    await correspondence.resolved(recovery_ms)
    await correspondence.arrived(recovery_ms)
    await until('everyone is present', everyoneIsPresent, recovery_ms)
    await master.restart()
  }
  await until('every ack is in PostgreSQL', async () => (await acksNotStored()).length === 0, recovery_ms)
  assert.deepEqual(
    [...system.processes.values()].map(({ pid }) => pid),
    pids,
    'nobody had to start again',
  )
  await correspondence.judge()
})
