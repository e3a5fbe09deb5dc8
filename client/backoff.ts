/** How long to wait before trying again. Pure: chance comes as an argument. */

export interface Backoff {
  readonly first_ms: number
  readonly longest_ms: number
}

/**
 * Doubles with every attempt (0, 1, 2 …) and is drawn between half of that and all of it, so that clients which lost
 * the same server do not come back in one moment.
 */
export function backoffDelay({ first_ms, longest_ms }: Backoff, attempt: number, random: number): number {
  const whole = Math.min(longest_ms, first_ms * 2 ** Math.min(attempt, 30))
  return Math.round(whole / 2 + (random * whole) / 2)
}

/**
 * Which of the addresses, least loaded first, to try at this attempt. The first attempt is drawn from the better half,
 * so that thousands who ask at once do not all go to the one that was least loaded; further attempts take the next
 * one in turn. `avoid` (the one that asked to leave) comes last.
 */
export function pickAddress(
  addresses: readonly string[],
  attempt: number,
  random: number,
  avoid?: string,
): string | undefined {
  const others = addresses.filter((address) => address !== avoid)
  const usable = others.length > 0 ? others : addresses
  if (usable.length === 0) return undefined
  const start = Math.floor(random * Math.ceil(usable.length / 2))
  return usable[(start + attempt) % usable.length]
}
