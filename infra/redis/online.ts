/** Everyone who is online, and where: the users in the lists of all starts of gates. Implements OnlineUsers of workers/ports/pushes.ts. */
import type { Redis } from 'ioredis'
import type { OnlineUsers } from '../../workers/ports/pushes.js'
import { parseMember } from './entry.js'
import { parseGateStart, type RedisKeys } from './keys.js'

const membersPerStep = 5_000

/** Reads the lists in steps, so that Redis serves others in between. */
export const createOnlineUsers = ({ redis, keys }: { redis: Redis; keys: RedisKeys }): OnlineUsers => ({
  async all() {
    const users = new Set<number>()
    const gates = new Set<string>()
    for (const name of await redis.zrange(keys.gateStarts, 0, '-1')) {
      const start = parseGateStart(name)
      gates.add(start.gate_id)
      const logins = redis.sscanStream(keys.gateLogins(start), { count: membersPerStep })
      for await (const members of logins)
        for (const member of members as string[]) users.add(parseMember(member).user_id)
    }
    return { users: [...users], gates: [...gates] }
  },
})
