/** Logins with a wrong token, counted by account and by address, each for a minute from its first. */
import type { Redis } from 'ioredis'
import type { LoginFailures } from '../../workers/ports/presence.js'
import { script } from './client.js'
import type { RedisKeys } from './keys.js'

const window_ms = 60_000

const count = script(
  'failuresCount',
  `
local failures = redis.call('INCR', KEYS[1])
if failures == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return failures
`,
)

export function createLoginFailures({ redis, keys }: { redis: Redis; keys: RedisKeys }): LoginFailures {
  const countScript = count(redis)
  return {
    count: (failures) =>
      Promise.all(
        failures.map(async ({ user_id, address }) => {
          const names = [keys.failuresOfUser(user_id)]
          if (address !== undefined) names.push(keys.failuresOfAddress(address))
          return Math.max(
            ...(await Promise.all(names.map((name) => countScript(name, window_ms)))).map(Number),
          )
        }),
      ),
  }
}
