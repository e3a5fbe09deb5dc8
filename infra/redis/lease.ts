/** Gateways' leases and the list of gateways (spec 2, "Login, presence, kick" 2 and 4). */
import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { GateAddresses, GateDirectory, GateIdentity, GateLease } from '../../gateway/ports.js'
import type { EndedGates, LoginPolicy } from '../../workers/ports/presence.js'
import { script } from './client.js'
import { gateStartName, parseGateStart, type RedisKeys } from './keys.js'
import { watchLosses } from './losses.js'
import { createOfflineSweep } from './presence.js'

/** A gate's newest epoch is remembered this long after its lease, so that an older start wakes up fenced. */
const epochKept_ms = 24 * 3_600_000
/** How long an ended start is looked at once more: a login that was on its way may still come in. */
const startKept_ms = 10 * 60_000

const now = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
`

/**
 * 'held' only where the caller knows the term: an answer that was lost on its way is given again, or the gate
 * would never hear that it must register its devices.
 */
const renew = script(
  'leaseRenew',
  `
${now}
local epoch, known, new = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local held = redis.call('HMGET', KEYS[1], 'epoch', 'until', 'term')
if held[1] and tonumber(held[1]) > epoch then return 'fenced' end
local same = held[1] and tonumber(held[1]) == epoch and tonumber(held[2]) > now and held[3] == known
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'until', string.format('%.0f', now + ARGV[4]),
  'term', same and known or new, 'addresses', ARGV[6], 'connections', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return same and 'held' or 'restored'
`,
)

const release = script(
  'leaseRelease',
  `
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return false end
redis.call('HSET', KEYS[1], 'until', 0)
return 'released'
`,
)

/** Whether it lives is judged where it was written, by the same clock. */
const read = script(
  'leaseRead',
  `
${now}
local held = redis.call('HMGET', KEYS[1], 'epoch', 'until', 'addresses', 'connections')
if not held[1] then return false end
return {held[1], tonumber(held[2]) > now and 1 or 0, held[3] or '{}', held[4] or '0'}
`,
)

interface Settings {
  readonly redis: Redis
  readonly keys: RedisKeys
}

/**
 * The epoch for a start of this gate now, ms: above that of any start that Redis remembers, whatever the clock
 * did in between. Rejects when Redis is away.
 */
export async function nextEpoch({ redis, keys }: Settings, gateId: string): Promise<number> {
  const last = await redis.hget(keys.lease(gateId), 'epoch')
  return Math.max(Date.now(), last === null ? 0 : Number(last) + 1)
}

/** @param lease_ms how long a renewal lasts, by the clock of Redis */
export function createGateLease({
  redis,
  keys,
  identity,
  lease_ms,
}: Settings & { identity: GateIdentity; lease_ms: number }): GateLease {
  const { gate_id, gate_epoch } = identity
  const renewScript = renew(redis)
  const releaseScript = release(redis)
  const losses = watchLosses(redis)
  let term = ''

  return {
    async renew(addresses, connections) {
      const heard = Date.now()
      const newTerm = randomUUID()
      const [lost, , , state] = await Promise.all([
        losses.look(),
        redis.zadd(keys.gateStarts, 'GT', heard, gateStartName(identity)),
        redis.zadd(keys.gatesHeard, 'GT', heard, gate_id),
        renewScript(
          keys.lease(gate_id),
          gate_epoch,
          term,
          newTerm,
          lease_ms,
          epochKept_ms,
          JSON.stringify(addresses),
          connections,
        ),
      ])
      if (state === 'restored') term = newTerm
      if (state === 'fenced') return state
      // Other keys than the lease may be gone: devices that registered last.
      if (state === 'held' && !lost) return state
      losses.told()
      return 'restored'
    },

    async release() {
      await releaseScript(keys.lease(gate_id), gate_epoch)
    },
  }
}

interface LeaseState {
  readonly epoch: number
  readonly live: boolean
  readonly addresses: GateAddresses
  readonly connections: number
}

/** Reads the leases of gates, by gate id; those that Redis does not know are absent. */
function leaseReader({ redis, keys }: Settings) {
  const readScript = read(redis)
  return async (gateIds: Iterable<string>): Promise<Map<string, LeaseState>> => {
    const ids = [...new Set(gateIds)]
    const leases = await Promise.all(ids.map((id) => readScript(keys.lease(id))))
    const states = new Map<string, LeaseState>()
    for (const [at, id] of ids.entries()) {
      const lease = leases[at] as readonly [string, number, string, string] | null
      if (lease === null || lease === undefined) continue
      const [epoch, live, addresses, connections] = lease
      states.set(id, {
        epoch: Number(epoch),
        live: live === 1,
        addresses: JSON.parse(addresses) as GateAddresses,
        connections: Number(connections),
      })
    }
    return states
  }
}

/** The live gateways, for whoever asks where to connect. */
export function createGateDirectory(settings: Settings): GateDirectory {
  const readLeases = leaseReader(settings)
  return {
    async live() {
      const names = await settings.redis.zrange(settings.keys.gateStarts, 0, '-1')
      const leases = await readLeases(names.map((name) => parseGateStart(name).gate_id))
      return [...leases.values()]
        .filter(({ live }) => live)
        .sort((a, b) => a.connections - b.connections)
        .map(({ addresses }) => addresses)
    },
  }
}

const dropIfSilent = script(
  'gateStartDrop',
  `
local heard = redis.call('ZSCORE', KEYS[1], ARGV[1])
if heard and tonumber(heard) < tonumber(ARGV[2]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
return false
`,
)

/** Starts of gates without a lease, for the presence sweep. */
export function createEndedGates(settings: Settings & { policy: LoginPolicy }): EndedGates {
  const { redis, keys } = settings
  const drop = dropIfSilent(redis)
  const readLeases = leaseReader(settings)

  /** Forgets a start that has been silent for long and has no devices left. */
  async function forgetIfEmpty(name: string, silentBefore: number): Promise<void> {
    if ((await redis.scard(keys.gateLogins(parseGateStart(name)))) === 0)
      await drop(keys.gateStarts, name, silentBefore)
  }

  return {
    async list() {
      const scored = await redis.zrange(keys.gateStarts, 0, '-1', 'WITHSCORES')
      const starts = scored.filter((_, at) => at % 2 === 0).map((name) => ({ name, ...parseGateStart(name) }))
      const heard = scored.filter((_, at) => at % 2 === 1).map(Number)
      const leases = await readLeases(starts.map(({ gate_id }) => gate_id))
      const silentBefore = Date.now() - startKept_ms
      const ended = starts.flatMap((start, at) => {
        const lease = leases.get(start.gate_id)
        if (lease?.live && lease.epoch === start.gate_epoch) return []
        return [{ ...start, heard: heard[at] ?? 0, superseded: (lease?.epoch ?? 0) > start.gate_epoch }]
      })
      await Promise.all(
        ended
          .filter((each) => each.heard < silentBefore)
          .map(({ name }) => forgetIfEmpty(name, silentBefore)),
      )
      return ended.map(({ gate_id, gate_epoch, superseded }) => ({ gate_id, gate_epoch, superseded }))
    },

    ...createOfflineSweep(settings),

    async silent(gateIds, silence_ms) {
      if (gateIds.length === 0) return []
      const now_ms = Date.now()
      await redis.zadd(keys.gatesHeard, 'NX', ...gateIds.flatMap((id) => [now_ms, id]))
      const heard = await redis.zmscore(keys.gatesHeard, ...gateIds)
      return gateIds.filter((_, at) => Number(heard[at]) < now_ms - silence_ms)
    },

    async forget(gateIds) {
      if (gateIds.length > 0) await redis.zrem(keys.gatesHeard, ...gateIds)
    },
  }
}
