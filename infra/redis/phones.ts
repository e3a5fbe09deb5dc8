/** Which devices may be notified when offline: read from the database, kept in Redis for a while. */
import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { type DeviceName, deviceKey, parseDeviceKey } from '../../schemas/ids.js'
import type { PhoneDirectory } from '../../workers/ports/presence.js'
import type { DeviceStore } from '../../workers/ports/users.js'
import { getMany, script } from './client.js'
import type { RedisKeys } from './keys.js'

const kept_ms = 10 * 60_000
/** How long a reader may take from the database to the cache. */
const reading_ms = 10_000
const readingMark = 'reading:'
/** What most users have who never logged in with a phone. */
const none = '[]'

/** Only the reader whose mark still stands may fill in: a change in between has wiped it. */
const fill = script(
  'phonesFill',
  `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return false
`,
)

/** The phones, and how to say that some user's changed. */
export interface CachedPhones extends PhoneDirectory {
  /** To be called after any change of these users' devices or push tokens. Rejects when Redis is away. */
  forget(userIds: readonly number[]): Promise<void>
}

/** @param source reads the truth, all users in one query */
export function createPhones({
  redis,
  keys,
  source,
}: {
  redis: Redis
  keys: RedisKeys
  source: PhoneDirectory
}): CachedPhones {
  const fillScript = fill(redis)

  async function readSource(userIds: readonly number[]): Promise<ReadonlyMap<number, readonly DeviceName[]>> {
    const mark = readingMark + randomUUID()
    await Promise.all(userIds.map((id) => redis.set(keys.phones(id), mark, 'PX', reading_ms, 'NX')))
    const phones = await source.of(userIds)
    await Promise.all(
      userIds.map((id) =>
        fillScript(keys.phones(id), mark, JSON.stringify((phones.get(id) ?? []).map(deviceKey)), kept_ms),
      ),
    )
    return phones
  }

  return {
    async of(userIds) {
      const distinct = [...new Set(userIds)]
      const cached = await getMany(redis, distinct.map(keys.phones))
      const phones = new Map<number, readonly DeviceName[]>()
      const missing: number[] = []
      for (const [at, id] of distinct.entries()) {
        const text = cached[at] ?? null
        if (text === null || text.startsWith(readingMark)) missing.push(id)
        else if (text !== none) phones.set(id, (JSON.parse(text) as string[]).map(parseDeviceKey))
      }
      if (missing.length > 0) for (const [id, devices] of await readSource(missing)) phones.set(id, devices)
      for (const [id, devices] of phones) if (devices.length === 0) phones.delete(id)
      return phones
    },

    async forget(userIds) {
      await Promise.all([...new Set(userIds)].map((id) => redis.del(keys.phones(id))))
    },
  }
}

/** The device store, followed by the cache: what a login or a logout changes is forgotten there. */
export const forgettingPhones = (devices: DeviceStore, phones: CachedPhones): DeviceStore => ({
  async loggedIn(logins) {
    await devices.loggedIn(logins)
    await phones.forget(logins.map(({ user_id }) => user_id))
  },
  async loggedOut(logouts) {
    await devices.loggedOut(logouts)
    await phones.forget(logouts.map(({ user_id }) => user_id))
  },
})
