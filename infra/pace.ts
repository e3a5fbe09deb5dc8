/** So many a second and no more. */
import { setTimeout as pause } from 'node:timers/promises'

/** Each call resolves when `count` more may begin: after those before it, at `per_second`. */
export function createPace(per_second: number, now: () => number): (count: number) => Promise<void> {
  let free_at = 0
  return async (count) => {
    const begins_at = Math.max(now(), free_at)
    free_at = begins_at + (count / per_second) * 1_000
    const wait_ms = begins_at - now()
    if (wait_ms > 0) await pause(wait_ms)
  }
}
