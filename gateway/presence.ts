/**
 * What the gate itself has to say of its devices' presence: those that went offline are removed, and where presence
 * was still theirs businesses are told; so they are of those that came back with a restored lease (spec 2, "Login,
 * presence, kick" 3, 4 and 6). Retried until Redis and the bus have it; a gate that is fenced has no say any more.
 * Where a gate dies between the two, the sweep tells.
 */
import type { OutgoingRecord } from '../schemas/bus.js'
import { createTrouble, type Logger } from '../schemas/log.js'
import { type RecordStyle, recordOf, topics } from '../schemas/topics.js'
import type { DevicePresence, RegisteredLogin } from './ports.js'

export interface PresenceChanges {
  /** This login's connection is gone. */
  left(login: RegisteredLogin): void
  /** This login had been taken offline while the lease was lost, and is registered again. */
  returned(login: RegisteredLogin): void
  /** Resolves when all are recorded, or after `timeout_ms`. */
  settled(timeout_ms: number): Promise<void>
  stop(): void
}

interface PresenceOptions {
  readonly gate_id: string
  readonly style: RecordStyle
  readonly presence: DevicePresence
  readonly publish: (records: readonly OutgoingRecord[]) => Promise<void>
  readonly log: Logger
}

const batch_max = 500
const retry_ms = 500
/** Beyond it the oldest are dropped: the end of the lease, or a missed delivery, takes them offline instead. */
const waiting_max = 100_000

export function createPresenceChanges(options: PresenceOptions): PresenceChanges {
  const { gate_id, style, presence, publish, log } = options
  const leaving: RegisteredLogin[] = []
  const untold: { readonly record: OutgoingRecord; readonly left?: RegisteredLogin }[] = []
  const told: RegisteredLogin[] = []
  let running: Promise<void> | undefined
  let stopped = false

  const change = (state: 'online' | 'offline', { user_id, device }: RegisteredLogin): OutgoingRecord =>
    recordOf(style, topics.presenceChanged, {
      user_id: String(user_id),
      client_type: device.client_type,
      ...(device.device_id ? { device_id: device.device_id } : {}),
      gate_id,
      state,
      time: Date.now(),
    })

  const recordSome = async (): Promise<void> => {
    const batch = leaving.splice(0, batch_max)
    if (batch.length > 0) {
      const removed = await presence.remove(batch).catch((error: unknown) => {
        leaving.unshift(...batch)
        throw error
      })
      const gone = batch.filter((_, at) => removed[at])
      untold.push(...gone.map((login) => ({ record: change('offline', login), left: login })))
    }
    if (untold.length > 0) {
      const count = untold.length
      await publish(untold.map(({ record }) => record))
      told.push(...untold.splice(0, count).flatMap(({ left }) => left ?? []))
    }
    if (told.length === 0) return
    const count = told.length
    await presence.announced(told)
    told.splice(0, count)
  }

  const unrecorded = createTrouble(log, 'devices not taken offline yet')
  const recordAll = async (): Promise<void> => {
    while (!stopped && leaving.length + untold.length + told.length > 0) {
      try {
        await recordSome()
        unrecorded.isOver()
      } catch (error) {
        unrecorded.failed(error, { waiting: leaving.length + untold.length })
        await new Promise((resolve) => setTimeout(resolve, retry_ms))
      }
    }
    running = undefined
  }

  // A turn later, so that connections that end together are one round trip.
  const begin = (): void => {
    running ??= new Promise((resolve) => setImmediate(resolve)).then(recordAll)
  }

  return {
    left(login) {
      leaving.push(login)
      if (leaving.length > waiting_max) leaving.shift()
      begin()
    },
    returned(login) {
      untold.push({ record: change('online', login) })
      begin()
    },
    async settled(timeout_ms) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeout_ms)
      })
      await Promise.race([running, late])
      clearTimeout(timer)
    },
    stop() {
      stopped = true
    },
  }
}
