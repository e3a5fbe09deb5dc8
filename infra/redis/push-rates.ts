/** How many notifications a device is shown: counted per minute from its first. */
import type { Redis } from 'ioredis'
import { deviceKey } from '../../schemas/ids.js'
import type { PushRates } from '../../workers/ports/push.js'
import { script } from './client.js'
import type { RedisKeys } from './keys.js'

const window_ms = 60_000

const count = script(
  'pushRateCount',
  `
local shown = redis.call('INCR', KEYS[1])
if shown == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return shown
`,
)

/** @param perMinute notifications of one device */
export function createPushRates({
  redis,
  keys,
  perMinute,
}: {
  redis: Redis
  keys: RedisKeys
  perMinute: number
}): PushRates {
  const countScript = count(redis)
  return {
    take: (devices) =>
      Promise.all(
        devices.map(async ({ user_id, device }) => {
          const shown = await countScript(keys.pushRate(user_id, deviceKey(device)), window_ms)
          return Number(shown) <= perMinute
        }),
      ),
  }
}
