/** Conditions that are awaited with a deadline. */
import { setTimeout as pause } from 'node:timers/promises'

const poll_ms = 20

/**
 * Resolves with the first value of `probe` that is neither undefined nor false.
 * @param what is missing, for the message; asked when the time is up
 * @throws after `within_ms`
 */
export async function until<Value>(
  what: string | (() => string),
  probe: () => Value | Promise<Value>,
  within_ms: number,
): Promise<Exclude<Value, undefined | false>> {
  for (const deadline = performance.now() + within_ms; ; await pause(poll_ms)) {
    const value = await probe()
    if (value !== undefined && value !== false) return value as Exclude<Value, undefined | false>
    if (performance.now() > deadline)
      throw new Error(`not within ${within_ms} ms: ${typeof what === 'string' ? what : what()}`)
  }
}
