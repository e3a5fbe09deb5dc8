/** Presence in Redis: who is online where (spec 2, "Login, presence, kick" 3–5). */
import type { Redis } from 'ioredis'
import type { DevicePresence, GateIdentity, RegisteredLogin } from '../../gateway/ports.js'
import { deviceKey } from '../../schemas/ids.js'
import type {
  EndedGates,
  GateStart,
  LoginPolicy,
  LoginResult,
  Presence,
  PresentDevice,
} from '../../workers/ports/presence.js'
import { getMany, inOrder } from './client.js'
import {
  entryText,
  type Membership,
  memberName,
  parseBelow,
  parseEntries,
  parseEntry,
  parseMember,
  type StampedDevice,
} from './entry.js'
import { gateStartName, type RedisKeys } from './keys.js'
import { presenceScripts, rivalTypes } from './presence-scripts.js'

type LoginName = Pick<PresentDevice, 'user_id' | 'device' | 'gate_id' | 'gate_epoch' | 'login_number'>

interface Settings {
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly policy: LoginPolicy
}

const withoutStamp = ({ stamp: _, isReturned: __, ...device }: StampedDevice): PresentDevice => device

const byGate = <T extends GateStart>(logins: readonly T[]): Map<string, [T, ...T[]]> => {
  const groups = new Map<string, [T, ...T[]]>()
  for (const each of logins) {
    const name = gateStartName(each)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [each])
    else group.push(each)
  }
  return groups
}

/** A gate that does not reach Redis for longer says nothing of these; its end will. */
const leftKept_ms = 3_600_000

/** The steps that both the workers' and the gate's side of presence are made of. */
function steps({ redis, keys, policy }: Settings) {
  const scripts = presenceScripts(redis)

  async function strike(logins: readonly (Membership & GateStart)[]): Promise<void> {
    await Promise.all(
      [...byGate(logins).values()].map((group) =>
        redis.srem(keys.gateLogins(group[0]), ...group.map(memberName)),
      ),
    )
  }

  const place = (device: PresentDevice, stamp: number) =>
    [
      keys.presence(device.user_id),
      deviceKey(device.device),
      entryText(device, stamp),
      rivalTypes(policy, device.device),
      device.gate_id,
      device.gate_epoch,
      device.login_number,
    ] as const

  return {
    scripts,
    place,

    /** Names logins in their gates' sets. Sent before presence is written, so that a sweep finds whatever is there. */
    async enlist(logins: readonly (Membership & GateStart)[], now: number): Promise<void> {
      await Promise.all(
        [...byGate(logins).values()].flatMap((group) => [
          redis.zadd(keys.gateStarts, 'GT', now, gateStartName(group[0])),
          redis.sadd(keys.gateLogins(group[0]), ...group.map(memberName)),
        ]),
      )
    },

    strike,

    /** @param stamp only where the place is of this registration */
    async remove(login: LoginName, stamp?: number): Promise<StampedDevice | undefined> {
      const line = await scripts.remove(
        keys.presence(login.user_id),
        deviceKey(login.device),
        login.gate_id,
        login.gate_epoch,
        login.login_number,
        stamp ?? '',
      )
      return typeof line === 'string' ? parseEntry(login.user_id, line) : undefined
    },

    /** Removes a login for its own gate. A repeat is answered like the first time, until `told`. */
    async leave(login: LoginName): Promise<{ entry: StampedDevice; isBack: boolean } | undefined> {
      const answer = (await scripts.leave(
        keys.presence(login.user_id),
        keys.left(login),
        deviceKey(login.device),
        login.gate_id,
        login.gate_epoch,
        login.login_number,
        '',
        leftKept_ms,
      )) as readonly [string, number] | null
      return answer === null
        ? undefined
        : { entry: parseEntry(login.user_id, answer[0]), isBack: answer[1] === 1 }
    },

    /** Nothing is left to be said of logins that have left. */
    async told(logins: readonly StampedDevice[]): Promise<void> {
      await Promise.all([strike(logins), ...logins.map((login) => redis.del(keys.left(login)))])
    },
  }
}

const isDefined = <T>(value: T | undefined): value is T => value !== undefined

/** Removes logins and takes them off their gates' lists. One answer each, in order. */
async function removeAll(
  { remove, strike }: ReturnType<typeof steps>,
  logins: readonly LoginName[],
): Promise<boolean[]> {
  const removed = await Promise.all(logins.map((login) => remove(login)))
  await strike(removed.filter(isDefined))
  return removed.map(isDefined)
}

const causeKept_ms = 3_600_000

/**
 * Notes what logins are about to be removed for, those that are still there. True where this was noted before, and the
 * login has gone since.
 */
async function noteCauses(
  { redis, keys }: Settings,
  present: ReadonlyMap<number, readonly PresentDevice[]>,
  logins: readonly LoginName[],
  causes: readonly string[],
): Promise<boolean[]> {
  return Promise.all(
    logins.map(async ({ user_id, device, login_number }, at) => {
      const key = keys.removal(causes[at]!)
      const isThere = (present.get(user_id) ?? []).some(
        (each) => each.login_number === login_number && deviceKey(each.device) === deviceKey(device),
      )
      if (!isThere) return (await redis.exists(key)) === 1
      await redis.set(key, 1, 'PX', causeKept_ms)
      return false
    }),
  )
}

/** The workers' side of presence. */
export function createPresence(settings: Settings): Presence {
  const { redis, keys } = settings
  const step = steps(settings)

  const result = (userId: number, below: unknown) =>
    typeof below === 'string'
      ? { accepted: true, ...parseBelow(userId, below) }
      : { accepted: false, replaced: [], ended: [] }

  const of: Presence['of'] = async (userIds) => {
    const distinct = [...new Set(userIds)]
    const found = await getMany(redis, distinct.map(keys.presence))
    const devices = new Map<number, readonly PresentDevice[]>()
    for (const [at, userId] of distinct.entries()) {
      const lines = found[at]
      if (lines) devices.set(userId, parseEntries(userId, lines).map(withoutStamp))
    }
    return devices
  }

  return {
    of,

    async login(logins) {
      const members = logins.map((login) => ({ ...login, stamp: 0 }))
      const [, answers] = await inOrder(
        redis,
        () => step.enlist(members, Date.now()),
        () => Promise.all(logins.map((login) => step.scripts.login(...step.place(login, 0)))),
      )
      const results = logins.map(({ user_id }, at) => result(user_id, answers[at]))
      const gone = results.flatMap(({ accepted, replaced, ended }, at) =>
        accepted ? [...replaced, ...ended] : [members[at]!],
      )
      if (gone.length > 0) await step.strike(gone)
      return results.map(
        ({ accepted, replaced, ended }): LoginResult => ({
          accepted,
          replaced: replaced.map(withoutStamp),
          ended: ended.map(withoutStamp),
        }),
      )
    },

    async remove(logins, causes) {
      const before =
        causes && (await noteCauses(settings, await of(logins.map(({ user_id }) => user_id)), logins, causes))
      const removed = await removeAll(step, logins)
      return removed.map((isRemoved, at) => isRemoved || before?.[at] === true)
    },
  }
}

/** A replica that became a master lacks what was written within some seconds; a fail-over is noticed some seconds later. */
const removedAgain_ms = 30_000

/** Of the registrations that failed. */
const failedKept = 20

/** One gate's side of presence. */
export function createDevicePresence(settings: Settings & { identity: GateIdentity }): DevicePresence {
  const { identity } = settings
  const step = steps(settings)
  const ofGate = (login: RegisteredLogin): PresentDevice => ({ ...login, ...identity })
  const unannounced = new Map<RegisteredLogin, StampedDevice>()
  /** Those that ended of late, and when (ms): a Redis that lost their removal shows them online. */
  const ended = new Map<RegisteredLogin, number>()
  /** Stamps of registrations that failed: they may have been done. */
  let unanswered = new Set<number>()
  let lastStamp = 0

  return {
    async register(logins) {
      const again = [...ended].filter(([, at]) => performance.now() - at < removedAgain_ms)
      await Promise.all(again.map(([login]) => step.remove(ofGate(login))))
      ended.clear()
      const stamp = Math.max(Date.now(), lastStamp + 1)
      lastStamp = stamp
      const failed = [...unanswered].slice(-failedKept)
      const unheard = failed.length === 0 ? [] : [0, ...failed]
      unanswered.add(stamp)
      const members = logins.map((login) => ({ ...ofGate(login), stamp }))
      const [, answers] = await inOrder(
        settings.redis,
        () => step.enlist(members, Date.now()),
        () => Promise.all(members.map((login) => step.scripts.register(...step.place(login, stamp), stamp))),
      )
      // Off the list: what was refused, the former registration of what was kept, and the login of what was gone. After
      // attempts that failed also what these enlisted: they did not hear what stood there before them.
      await step.strike(
        members.flatMap((member, at) => {
          const before = answers[at]
          const others = unheard.map((each) => ({ ...member, stamp: each }))
          if (typeof before !== 'string') return [member, ...others]
          return [before === '' ? { ...member, stamp: 0 } : parseEntry(member.user_id, before), ...others]
        }),
      )
      unanswered = new Set(failed)
      return answers.map((before, at) => {
        if (typeof before !== 'string') return false
        if (before === '') return 'returned'
        const former = parseEntry(logins[at]!.user_id, before)
        return former.isReturned && unanswered.has(former.stamp) ? 'returned' : 'kept'
      })
    },

    async remove(logins) {
      const now = performance.now()
      // Oldest first: who loses thousands of clients at once does not look at all of them for each.
      for (const [login, at] of ended) {
        if (now - at < removedAgain_ms) break
        ended.delete(login)
      }
      for (const login of logins) ended.set(login, now)
      const left = await Promise.all(logins.map((login) => step.leave(ofGate(login))))
      // Its answer was lost, and the device has logged in again before we could ask: it is not offline.
      await step.told(left.flatMap((each) => (each?.isBack ? [each.entry] : [])))
      return left.map((each, at) => {
        if (each === undefined || each.isBack) return false
        unannounced.set(logins[at]!, each.entry)
        return true
      })
    },

    async announced(logins) {
      await step.told(logins.map((login) => unannounced.get(login)).filter(isDefined))
      for (const login of logins) unannounced.delete(login)
    },
  }
}

/** Somebody who has removed a presence announces it within this time, or never will. */
const announcementLimit_ms = 5_000

/**
 * Takes logins of one start of a gate offline, for the sweep. A name on the gate's list whose device is not present was
 * removed by somebody who has yet to announce it, or has died before.
 */
export function createOfflineSweep(
  settings: Settings & { readonly announcedWithin_ms?: number },
): Pick<EndedGates, 'takeOffline' | 'announced'> {
  const { redis, keys, announcedWithin_ms = announcementLimit_ms } = settings
  const step = steps(settings)
  const presence = createPresence(settings)
  const names = new WeakMap<object, Membership & GateStart>()
  /** When a device without presence was first seen on a list, ms. */
  const missing = new Map<string, number>()

  /** Whether whoever removed it had the time to announce it. */
  const isOverdue = (login: Membership & GateStart, now: number): boolean => {
    const name = `${gateStartName(login)} ${memberName(login)}`
    const since = missing.get(name) ?? now
    missing.set(name, since)
    return now - since >= announcedWithin_ms
  }

  /** Which of these devices are present, with this login or another. */
  async function presentAmong(logins: readonly Membership[]): Promise<readonly boolean[]> {
    if (logins.length === 0) return []
    const present = await presence.of(logins.map(({ user_id }) => user_id))
    return logins.map(({ user_id, device }) =>
      (present.get(user_id) ?? []).some((each) => deviceKey(each.device) === deviceKey(device)),
    )
  }

  return {
    async takeOffline(gate, limit) {
      const members = await redis.srandmember(keys.gateLogins(gate), limit)
      const logins = members.map((member) => ({ ...gate, ...parseMember(member) }))
      const removed = await Promise.all(logins.map((login) => step.remove(login, login.stamp)))
      const others = logins.filter((_, at) => removed[at] === undefined)
      const isPresent = await presentAmong(others)
      const settled = others.filter((_, at) => isPresent[at])
      await step.strike(settled)
      const now = Date.now()
      const overdue = others.filter((login, at) => !isPresent[at] && isOverdue(login, now))
      const due = [...logins.filter((_, at) => removed[at] !== undefined), ...overdue].map((login) => {
        const device = { user_id: login.user_id, device: login.device }
        names.set(device, login)
        return device
      })
      return { removed: due, more: members.length === limit && due.length + settled.length > 0 }
    },

    async announced(_, devices) {
      const told = devices.map((device) => names.get(device)).filter(isDefined)
      await step.strike(told)
      for (const login of told) missing.delete(`${gateStartName(login)} ${memberName(login)}`)
    },
  }
}
