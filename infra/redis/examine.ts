/** Redis as the doctor sees it. */
import type { RedisFacts } from '../../ops/ports.js'
import type { Logger } from '../../schemas/log.js'
import type { RedisAddress } from '../../schemas/redis-settings.js'
import { evicts, seekRedis } from './admission.js'
import { createRedis, mastersOf } from './client.js'
import { redisAhead } from './clock.js'
import { redisKeys } from './keys.js'
import { createGateDirectory } from './lease.js'

/**
 * @param prefix of our keys
 * @throws EngineRefused where it cannot be used as it is, Error where it does not answer
 */
export async function examineRedis(address: RedisAddress, prefix: string, log: Logger): Promise<RedisFacts> {
  const redis = createRedis(address, log)
  try {
    const masters = await seekRedis(redis, address, prefix)
    const worst = masters.find(evicts) ?? masters[0]
    const ahead = await Promise.all(mastersOf(redis).map(redisAhead))
    const live = await createGateDirectory({ redis, keys: redisKeys(prefix) }).live()
    return {
      version: [...new Set(masters.map(({ version }) => version))].join(', '),
      masters: masters.length,
      ahead_ms: ahead.reduce((most, each) => (Math.abs(each) > Math.abs(most) ? each : most), 0),
      evictionPolicy: worst?.evictionPolicy ?? '',
      maxMemoryBytes: worst?.maxMemoryBytes ?? 0,
      liveGates: live.length,
    }
  } finally {
    redis.disconnect()
  }
}
