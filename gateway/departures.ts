/**
 * Devices that went offline: their presence is removed, and where it was still theirs businesses are told
 * (spec 2, "Login, presence, kick" 3 and 6). Retried until Redis and the bus have it; a gate that is fenced has no
 * say in it any more.
 */
import type { OutgoingRecord } from '../schemas/bus.js'
import type { Logger } from '../schemas/log.js'
import { recordOf, topics } from '../schemas/topics.js'
import type { DevicePresence, RegisteredLogin } from './ports.js'

export interface Departures {
  /** This login's connection is gone. */
  add(login: RegisteredLogin): void
  /** Resolves when all are recorded, or after `timeout_ms`. */
  settled(timeout_ms: number): Promise<void>
  stop(): void
}

interface DepartureOptions {
  readonly gate_id: string
  readonly prefix: string
  readonly presence: DevicePresence
  readonly publish: (records: readonly OutgoingRecord[]) => Promise<void>
  readonly log: Logger
}

const batch_max = 500
const retry_ms = 500
/** Beyond it the oldest are dropped: the end of the lease, or a missed delivery, takes them offline instead. */
const waiting_max = 100_000

export function createDepartures(options: DepartureOptions): Departures {
  const { gate_id, prefix, presence, publish, log } = options
  const leaving: RegisteredLogin[] = []
  let untold: OutgoingRecord[] = []
  let running: Promise<void> | undefined
  let stopped = false

  const offline = ({ user_id, device }: RegisteredLogin): OutgoingRecord =>
    recordOf(prefix, topics.presenceChanged, {
      user_id: String(user_id),
      client_type: device.client_type,
      ...(device.device_id ? { device_id: device.device_id } : {}),
      gate_id,
      state: 'offline',
      time: Date.now(),
    })

  const recordSome = async (): Promise<void> => {
    const batch = leaving.slice(0, batch_max)
    if (batch.length > 0) {
      const removed = await presence.remove(batch)
      leaving.splice(0, batch.length)
      untold.push(...batch.filter((_, at) => removed[at]).map(offline))
    }
    if (untold.length === 0) return
    await publish(untold)
    untold = []
  }

  const recordAll = async (): Promise<void> => {
    while (!stopped && leaving.length + untold.length > 0) {
      try {
        await recordSome()
      } catch (error) {
        log.warn({ err: error, waiting: leaving.length + untold.length }, 'devices not taken offline yet')
        await new Promise((resolve) => setTimeout(resolve, retry_ms))
      }
    }
    running = undefined
  }

  return {
    add(login) {
      leaving.push(login)
      if (leaving.length > waiting_max) leaving.shift()
      // A turn later, so that connections that end together are one round trip.
      running ??= new Promise((resolve) => setImmediate(resolve)).then(recordAll)
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
