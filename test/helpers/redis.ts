/** A connection to the tests' Redis, with keys that no other test file sees. */
import { randomUUID } from 'node:crypto'
import { after } from 'node:test'
import { createRedis } from '../../infra/redis/client.js'
import { redisKeys } from '../../infra/redis/keys.js'
import { redisAddress } from '../../schemas/redis-settings.js'
import { silentLog } from './log.js'
import { stack } from './stack.js'

/** Closed when the file's tests are over, its keys deleted. */
export function freshRedis() {
  const redis = createRedis(redisAddress({ REDIS_URL: [stack().redis] }), silentLog)
  const prefix = `test-${randomUUID()}.`
  const forgetAll = async () => {
    const names = await redis.keys(`${prefix}*`)
    if (names.length > 0) await redis.del(...names)
  }
  after(async () => {
    await forgetAll()
    await redis.quit()
  })
  return { redis, prefix, keys: redisKeys(prefix), forgetAll }
}
