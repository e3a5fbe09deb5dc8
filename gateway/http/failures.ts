/** Wrong keys and tokens, counted per address: beyond the limit they are answered without being looked at. */

const window_ms = 60_000
const allowedPerWindow = 10
/** The oldest is forgotten beyond this, so that a storm of addresses costs no memory. */
const maxAddresses = 10_000

export interface Failures {
  /** Counts one. @returns seconds to wait when there were too many within a minute, else 0 */
  count(address: string): number
}

/** @param now ms, monotonic */
export function createFailures(now: () => number): Failures {
  const windows = new Map<string, { began: number; count: number }>()
  return {
    count(address) {
      const time = now()
      let window = windows.get(address)
      if (window === undefined || time - window.began >= window_ms) {
        window = { began: time, count: 0 }
        windows.delete(address) // to the end of the order
        windows.set(address, window)
        const [oldest] = windows.keys()
        if (windows.size > maxAddresses && oldest !== undefined) windows.delete(oldest)
      }
      window.count++
      return window.count > allowedPerWindow ? Math.ceil((window.began + window_ms - time) / 1_000) : 0
    },
  }
}
