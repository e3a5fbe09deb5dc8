/**
 * Acks that wait for the flush to PostgreSQL (spec 2, "Group chat" 4). Redis may lose them, all or, in a fail-over, the
 * latest: the tracker commits no offset before the flush, and its claim of a partition tells it, and whoever looks acks
 * up, that they were lost.
 */
import type { Redis } from 'ioredis'
import { deviceKey, parseDeviceKey } from '../../schemas/ids.js'
import type {
  AckLookup,
  LoginPolicy,
  PendingAck,
  PendingAcks,
  Presence,
} from '../../workers/ports/presence.js'
import { chunks, createAckClaims } from './ack-claims.js'
import type { RedisKeys } from './keys.js'
import { areRivals } from './presence-scripts.js'

type Login = PendingAck & { readonly login_number: number }

/** A device's name and a msg_id may hold any character. */
const ackField = ({ reader_user_id, device, from_user_id, msg_id }: PendingAck): string =>
  `${reader_user_id}|${from_user_id}|${device.length}|${device}${msg_id}`

function parseAck(field: string, time: string): PendingAck & { readonly time: number } {
  const [reader = '', from = '', length = ''] = field.split('|', 3)
  const start = reader.length + from.length + length.length + 3
  const end = start + Number(length)
  return {
    reader_user_id: Number(reader),
    from_user_id: Number(from),
    device: field.slice(start, end),
    msg_id: field.slice(end),
    time: Number(time),
  }
}

interface LookupSettings {
  readonly redis: Redis
  readonly keys: RedisKeys
  /** The partitions of delivery.acked that gates know of: a reader's acks are in that of its lane. */
  readonly lanes: number
}

/** For who only looks acks up: the delivery check. */
export function createAckLookup({ redis, keys, lanes }: LookupSettings): AckLookup {
  /** Never forgotten, so that an emptied Redis is seen as such by `find`. */
  const partitions = new Set<number>()

  async function learnPartitions(): Promise<void> {
    for (const partition of await redis.smembers(keys.acksPartitions)) partitions.add(Number(partition))
  }

  /** Which of these fields are in one partition. */
  async function among(partition: number, fields: readonly string[]): Promise<boolean[]> {
    const parts = [...chunks(fields)]
    const values = await Promise.all(parts.map((part) => redis.hmget(keys.acks(partition), ...part)))
    return values.flatMap((some) => some.map((value) => value !== null))
  }

  /** Each ack is looked for in the partition of its reader's lane. */
  async function inTheirLanes(acks: readonly PendingAck[], fields: readonly string[]): Promise<boolean[]> {
    const placesOf = new Map<number, number[]>()
    for (const [at, { reader_user_id }] of acks.entries()) {
      const lane = reader_user_id % partitions.size
      const places = placesOf.get(lane)
      if (places) places.push(at)
      else placesOf.set(lane, [at])
    }
    const found = fields.map(() => false)
    await Promise.all(
      [...placesOf].map(async ([lane, places]) => {
        const has = await among(
          lane,
          places.map((at) => fields[at]!),
        )
        for (const [nth, at] of places.entries()) found[at] = has[nth]!
      }),
    )
    return found
  }

  /** Where lanes and partitions were not of one number when the acks were sent, they may be anywhere. */
  async function anywhere(fields: readonly string[]): Promise<boolean[]> {
    const found = await Promise.all([...partitions].map((partition) => among(partition, fields)))
    return fields.map((_, at) => found.some((has) => has[at]))
  }

  return {
    async find(acks) {
      if (partitions.size === 0) await learnPartitions()
      const fields = acks.map(ackField)
      const known = [...partitions]
      const areLanes = partitions.size === lanes && known.every((partition) => partition < lanes)
      // Progress first: Redis works commands off in order, so what it covers is in the hashes that are read next.
      const [, untils, acked] = await Promise.all([
        learnPartitions(),
        Promise.all(known.map((partition) => redis.hget(keys.acksClaim(partition), 'until'))),
        areLanes ? inTheirLanes(acks, fields) : anywhere(fields),
      ])
      const complete = known.length > 0 && known.length === partitions.size
      return {
        acked,
        handledUntil: complete ? Math.min(...untils.map(Number)) : 0,
      }
    },
  }
}

interface Settings extends LookupSettings {
  /**
   * How long a flushed ack stays in Redis, from the flush on: a delivery check that is due by then finds it there and
   * need not ask PostgreSQL.
   */
  readonly shown_ms: number
  readonly presence: Pick<Presence, 'of'>
  readonly policy: LoginPolicy
}

/** Per partition, acks that were flushed and are still shown to the delivery check for a while. */
function createShown(redis: Redis, keys: RedisKeys, shown_ms: number) {
  /** Field → when it was flushed, ms; in that order. */
  const flushed = new Map<number, Map<string, number>>()
  return {
    has: (partition: number, field: string): boolean => flushed.get(partition)?.has(field) === true,

    add(partition: number, fields: readonly string[]): void {
      const known = flushed.get(partition) ?? new Map<string, number>()
      flushed.set(partition, known)
      const now = Date.now()
      for (const field of fields) known.set(field, now)
    },

    /** Takes those away that have been shown for long enough. */
    async drop(partition: number): Promise<void> {
      const known = flushed.get(partition) ?? new Map<string, number>()
      const until = Date.now() - shown_ms
      const old: string[] = []
      for (const [field, since] of known) {
        if (since > until) break
        old.push(field)
      }
      await Promise.all([...chunks(old)].map((part) => redis.hdel(keys.acks(partition), ...part)))
      for (const field of old) known.delete(field)
    },
  }
}

/** The acks that wait in Redis, under a claim of this process. */
export function createPendingAcks({ redis, keys, lanes, shown_ms, presence, policy }: Settings): PendingAcks {
  const claims = createAckClaims(redis, keys)
  const shown = createShown(redis, keys, shown_ms)

  /** True for an ack of a login whose place a newer login has taken (I9). */
  async function replacedLogins(acks: readonly Login[]): Promise<(ack: Login) => boolean> {
    const present = await presence.of(acks.map(({ reader_user_id }) => reader_user_id))
    return (ack) => {
      const device = parseDeviceKey(ack.device)
      return (present.get(ack.reader_user_id) ?? []).some(
        (other) =>
          other.login_number > ack.login_number &&
          (deviceKey(other.device) === ack.device || areRivals(policy, other.device, device)),
      )
    }
  }

  return {
    ...createAckLookup({ redis, keys, lanes }),

    async add(partition, acks) {
      if (acks.length === 0) return
      const isReplaced = await replacedLogins(acks)
      const pairs = acks.filter((ack) => !isReplaced(ack)).map((ack) => [ackField(ack), ack.time] as const)
      if (pairs.length === 0) return
      await claims.add(partition, pairs)
    },

    claim: claims.claim,

    async read(partition) {
      await shown.drop(partition)
      const acks = await claims.read(partition)
      return (
        acks &&
        Object.entries(acks)
          .filter(([field]) => !shown.has(partition, field))
          .map(([field, time]) => parseAck(field, time))
      )
    },

    async drop(partition, acks) {
      shown.add(partition, acks.map(ackField))
      await shown.drop(partition)
    },

    progressed: claims.progressed,
  }
}
