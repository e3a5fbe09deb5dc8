/** Redis as the doctor sees it. */
import type { RedisFacts } from '../../ops/ports.js'
import type { Logger } from '../../schemas/log.js'
import type { RedisAddress } from '../../schemas/redis-settings.js'
import { createRedis } from './client.js'
import { redisAhead } from './clock.js'
import { redisKeys } from './keys.js'
import { createGateDirectory } from './lease.js'

const field = (info: string, name: string): string =>
  new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? ''

/**
 * @param prefix of our keys
 * @throws Error where it does not answer, or refuses us
 */
export async function examineRedis(address: RedisAddress, prefix: string, log: Logger): Promise<RedisFacts> {
  const redis = createRedis(address, log)
  let reason: string | undefined
  redis.on('error', (error: Error) => {
    reason = error.message || String((error as { code?: string }).code)
  })
  try {
    const info = await redis.info()
    const ahead_ms = await redisAhead(redis)
    const live = await createGateDirectory({ redis, keys: redisKeys(prefix) }).live()
    return {
      version: field(info, 'redis_version'),
      ahead_ms,
      evictionPolicy: field(info, 'maxmemory_policy'),
      maxMemoryBytes: Number(field(info, 'maxmemory')),
      liveGates: live.length,
    }
  } catch (error) {
    throw new Error(reason ?? (error as Error).message, { cause: error })
  } finally {
    redis.disconnect()
  }
}
