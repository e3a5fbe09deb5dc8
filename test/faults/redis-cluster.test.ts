/**
 * A master of a Redis Cluster, all of it over TLS with certificates on both sides, is killed under load, again and again: what its replica lacks is made again (promises I5,
 * I6, I7), by the same processes.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { redisKeys } from '../../infra/redis/keys.js'
import { type Correspondence, openCorrespondence } from '../helpers/correspondence.js'
import { randomNumbers } from '../helpers/random.js'
import {
  acksStored,
  failOverSettings,
  recovery_ms,
  redisCertificates,
  settled,
} from '../helpers/redis-fail-over.js'
import { noRedisServer, type RedisCluster, startRedisCluster } from '../helpers/redis-servers.js'
import { type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

const skip = noRedisServer
const seed = Number(process.env.FAULTS_SEED ?? 1)
const certificates = redisCertificates()

let cluster: RedisCluster
let system: System
let correspondence: Correspondence
before(async () => {
  if (skip) return
  cluster = await startRedisCluster({}, certificates.servers)
  system = await startSystem({
    gateways: 2,
    env: {
      REDIS_URL: cluster.url,
      REDIS_MODE: 'cluster',
      ...certificates.settings,
      ...failOverSettings,
    },
  })
  correspondence = await openCorrespondence(system, 12, randomNumbers(seed))
})
after(async () => {
  await correspondence?.stop()
  await system?.stop()
  await cluster?.stop()
  certificates.remove()
})

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
    await settled(system, correspondence, cluster.masterOf)
    await master.restart()
  }
  await acksStored(system)
  assert.deepEqual(
    [...system.processes.values()].map(({ pid }) => pid),
    pids,
    'nobody had to start again',
  )
  await correspondence.judge()
})
