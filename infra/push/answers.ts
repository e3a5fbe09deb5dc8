/** What the providers' answers have in common. */

/**
 * The pause that a `Retry-After` asks for, ms: seconds, or a date.
 * @param now ms
 */
export function retryAfterOf(header: string | null | undefined, now: number): { retryAfter_ms?: number } {
  if (!header) return {}
  const pause_ms = /^\d{1,9}$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now
  return pause_ms >= 0 ? { retryAfter_ms: pause_ms } : {}
}

/** A word of a provider's as it may stand in the ledger and in a log: only what looks like a name. */
export const wordOf = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[\w.:/-]{1,120}$/.test(value) ? value : undefined

/** The object in a body; empty where there is none. */
export function jsonOf(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
