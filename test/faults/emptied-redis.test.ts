/** Redis is emptied while it holds acks that are not in PostgreSQL yet, presence and leases (promises I5, I6, I7). */
import { after, before, test } from 'node:test'
import { Redis } from 'ioredis'
import { redisKeys } from '../../infra/redis/keys.js'
import { type Correspondence, openCorrespondence } from '../helpers/correspondence.js'
import { randomNumbers } from '../helpers/random.js'
import { rowsOf } from '../helpers/rows.js'
import { stack } from '../helpers/stack.js'
import { type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

const seed = Number(process.env.FAULTS_SEED ?? 1)
const recovery_ms = 40_000
/** FLUSHDB empties it for this system alone. */
const ownDatabase = 13

let system: System
let redis: Redis
let correspondence: Correspondence
before(async () => {
  const url = new URL(stack().redis)
  url.pathname = `/${ownDatabase}`
  redis = new Redis(url.href)
  await redis.flushdb()
  system = await startSystem({
    env: {
      REDIS_URL: url.href,
      ACK_FLUSH_CRON: '*/4 * * * * *',
      // No second delivery: an ack that is lost stays lost.
      DELIVERY_CHECK_DELAYS_MS: '600000,600000,600000',
      RATE_LIMIT_PACKETS: '1000',
    },
  })
  correspondence = await openCorrespondence(system, 8, randomNumbers(seed))
})
after(async () => {
  await correspondence?.stop()
  await system?.stop()
  await redis?.flushdb()
  redis?.disconnect()
})

/** Whether Redis knows where every writer is. */
async function everyoneIsPresent(): Promise<boolean> {
  const keys = redisKeys(system.prefix)
  const known = await redis.exists(...correspondence.writers.map(({ user_id }) => keys.presence(user_id)))
  return known === correspondence.writers.length
}

/** Acks that only Redis holds. */
async function pendingAcks(): Promise<number> {
  const keys = redisKeys(system.prefix)
  const partitions = await redis.smembers(keys.acksPartitions)
  const sizes = await Promise.all(partitions.map((partition) => redis.hlen(keys.acks(Number(partition)))))
  return sizes.reduce((sum, size) => sum + size, 0)
}

/**
 * Messages that a device has acked and that are not marked as delivered. (What was sent while nobody was known to be
 * online waits for its check, and was acked by nobody.)
 */
async function acksNotStored(): Promise<string[]> {
  const text = 'SELECT client_msg_id FROM im_message_recv WHERE delivered = 0'
  const rows = await rowsOf<{ client_msg_id: string }>(system.databaseUrl, text)
  const acked = new Set(
    correspondence.writers
      .flatMap(({ journals }) => journals.flatMap(({ entries }) => entries))
      .flatMap(({ kind, msg_id }) => (kind === 'received' ? [msg_id] : [])),
  )
  return rows.map(({ client_msg_id }) => client_msg_id).filter((msg_id) => acked.has(msg_id))
}

test('an ack that was only in Redis when it was emptied is stored all the same', async (t) => {
  for (let round = 1; round <= 3; round++) {
    await until('everyone registered again', everyoneIsPresent, recovery_ms)
    correspondence.write(10)
    await correspondence.resolved(recovery_ms)
    const waiting = async () => (await pendingAcks()) || undefined
    const lost = await until('acks that wait for the flush', waiting, recovery_ms)
    await redis.flushdb()
    t.diagnostic(`Redis emptied with ${lost} acks in it`)
    await until('every ack in PostgreSQL', async () => (await acksNotStored()).length === 0, recovery_ms)
  }
})

test('after Redis was emptied everyone is online again, and numbers and unread counts are exact', async () => {
  await correspondence.judge()
})
