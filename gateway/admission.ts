/**
 * How fast one address may open connections (spec 1-wire, "When a client misbehaves"): beyond its rate they wait in a
 * queue, and above a queue of 1,000 they are turned away.
 */
import { type Bucket, fullBucket, type RateLimit, takeToken } from './rate.js'

/** Somebody at the door. */
export interface Entrant {
  /** Called once, at once or later. */
  enter(): void
  /** Called instead of `enter`. */
  turnAway(): void
  /** False: it left while it waited. */
  isWaiting(): boolean
}

export interface Admission {
  admit(address: string, entrant: Entrant): void
  /** Forgets addresses that were idle. Called now and then. */
  sweep(): void
  /** Turns away all that wait. */
  stop(): void
}

interface Door {
  readonly bucket: Bucket
  readonly queue: Entrant[]
}

const queue_max = 1_000
const look_ms = 20

/** @param now ms, monotonic */
export function createAdmission(limit: RateLimit, now: () => number): Admission {
  const doors = new Map<string, Door>()
  const crowded = new Set<Door>()
  let timer: NodeJS.Timeout | undefined

  const letIn = (): void => {
    timer = undefined
    for (const door of crowded) {
      while (door.queue.length > 0) {
        if (door.queue[0]!.isWaiting() && !takeToken(door.bucket, limit, now())) break
        const entrant = door.queue.shift()!
        if (entrant.isWaiting()) entrant.enter()
      }
      if (door.queue.length === 0) crowded.delete(door)
    }
    if (crowded.size > 0) timer ??= setTimeout(letIn, look_ms)
  }

  return {
    admit(address, entrant) {
      let door = doors.get(address)
      if (door === undefined) {
        door = { bucket: fullBucket(limit, now()), queue: [] }
        doors.set(address, door)
      }
      if (door.queue.length === 0 && takeToken(door.bucket, limit, now())) return entrant.enter()
      if (door.queue.length >= queue_max) return entrant.turnAway()
      door.queue.push(entrant)
      crowded.add(door)
      timer ??= setTimeout(letIn, look_ms)
    },
    sweep() {
      const idle_ms = (limit.burst / limit.per_second) * 1_000
      for (const [address, { bucket, queue }] of doors)
        if (queue.length === 0 && now() - bucket.refilled_at > idle_ms) doors.delete(address)
    },
    stop() {
      clearTimeout(timer)
      for (const { queue } of crowded) for (const entrant of queue.splice(0)) entrant.turnAway()
      crowded.clear()
    },
  }
}
