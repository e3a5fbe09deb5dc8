/** Workers say that they live, and whether the database answers them; gateways read it for readyz. */
import type { Redis } from 'ioredis'
import type { WorkerHealth } from '../../gateway/ports.js'
import type { Logger } from '../../schemas/log.js'
import { script } from './client.js'
import type { RedisKeys } from './keys.js'

const interval_ms = 3_000
const life_ms = 10_000
const databaseTimeout_ms = 2_000

const time = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
`

/** Writes the fields of one process, and drops those of processes that fell silent. */
const beat = script(
  'workersBeat',
  `
${time}
for i = 2, #ARGV do redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', now) .. ':' .. ARGV[1]) end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if tonumber(string.match(all[i + 1], '^%d+')) < now - ${life_ms} then redis.call('HDEL', KEYS[1], all[i]) end
end
redis.call('PEXPIRE', KEYS[1], ${life_ms})
return false
`,
)

const living = script(
  'workersLiving',
  `
${time}
local all = redis.call('HGETALL', KEYS[1])
local living = {}
for i = 1, #all, 2 do
  local at, database = string.match(all[i + 1], '^(%d+):(.*)$')
  if tonumber(at) >= now - ${life_ms} then
    table.insert(living, all[i])
    table.insert(living, database)
  end
end
return living
`,
)

export interface HeartbeatSettings {
  readonly redis: Redis
  readonly keys: RedisKeys
  /** Names this process among all. */
  readonly process: string
  /** The roles of this process that work right now. */
  readonly roles: () => readonly string[]
  /** Does the database answer? Absent in a process that has none. */
  readonly database?: () => Promise<boolean>
  readonly log: Logger
}

/** Beats at once and every 3 s. `beatNow` is for a role that has just become able; `stop` takes the roles back. */
export function startHeartbeats(settings: HeartbeatSettings): {
  beatNow(): Promise<void>
  stop(): Promise<void>
} {
  const { redis, keys, process, roles, log } = settings
  const beatScript = beat(redis)
  const field = (role: string) => `${role}|${process}`
  const written = new Set<string>()
  let stopped = false

  async function databaseState(): Promise<'up' | 'down' | 'unknown'> {
    if (settings.database === undefined) return 'unknown'
    const late = new Promise<boolean>((resolve) => {
      setTimeout(resolve, databaseTimeout_ms, false).unref()
    })
    return (await Promise.race([settings.database().catch(() => false), late])) ? 'up' : 'down'
  }

  async function beatNow(): Promise<void> {
    // One that is not able right now, as while its group shares its partitions anew, is not taken back: its field ends
    // after 10 s. Else each restart of a worker would make every gateway unready for a moment.
    const fields = roles().map(field)
    try {
      const state = await databaseState()
      if (fields.length > 0 && !stopped) await beatScript(keys.workers, state, ...fields)
      for (const name of fields) written.add(name)
    } catch (error) {
      log.debug({ error }, 'a heartbeat did not reach Redis')
    }
  }

  const timer = setInterval(beatNow, interval_ms)
  const first = beatNow()
  return {
    beatNow,
    async stop() {
      stopped = true
      clearInterval(timer)
      await first
      await redis.hdel(keys.workers, '-', ...written).catch(() => undefined)
    },
  }
}

/** `database` is true when every worker that has one says so, and one does. */
export function createWorkerHealth({ redis, keys }: { redis: Redis; keys: RedisKeys }): WorkerHealth {
  const livingScript = living(redis)
  return {
    async check() {
      const answer = (await livingScript(keys.workers)) as readonly string[]
      const roles = answer.filter((_, at) => at % 2 === 0).map((name) => name.slice(0, name.indexOf('|')))
      const states = answer.filter((state, at) => at % 2 === 1 && state !== 'unknown')
      return {
        roles: [...new Set(roles)],
        database: states.length > 0 && states.every((state) => state === 'up'),
      }
    },
  }
}
