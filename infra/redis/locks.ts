/** Locks that one process of many holds for a while. */
import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Locks } from '../../workers/ports/presence.js'
import { script } from './client.js'
import type { RedisKeys } from './keys.js'

const release = script(
  'lockRelease',
  `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return false
`,
)

export function createLocks({ redis, keys }: { redis: Redis; keys: RedisKeys }): Locks {
  const releaseScript = release(redis)
  return {
    async once(name, limit_ms, work) {
      const token = randomUUID()
      if ((await redis.set(keys.lock(name), token, 'PX', limit_ms, 'NX')) === null) return false
      try {
        await work()
      } finally {
        await releaseScript(keys.lock(name), token)
      }
      return true
    },
  }
}
