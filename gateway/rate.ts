/** How much one connection or address may do: token buckets, and a count of bad packets. Pure; times in ms. */

/** Refilled when it is looked at, so an idle one costs nothing. */
export interface Bucket {
  tokens: number
  refilled_at: number
}

export interface RateLimit {
  readonly per_second: number
  /** Most tokens that a bucket holds. */
  readonly burst: number
}

export const fullBucket = (limit: RateLimit, now: number): Bucket => ({
  tokens: limit.burst,
  refilled_at: now,
})

/** Takes a token; false where there is none. */
export function takeToken(bucket: Bucket, limit: RateLimit, now: number): boolean {
  const refilled = bucket.tokens + ((now - bucket.refilled_at) * limit.per_second) / 1_000
  bucket.tokens = Math.min(refilled, limit.burst)
  bucket.refilled_at = now
  if (bucket.tokens < 1) return false
  bucket.tokens -= 1
  return true
}

const strikes_max = 10
const strikes_window_ms = 60_000

/** Notes a bad packet; true when it is the tenth within a minute (spec 1-wire, "When a client misbehaves"). */
export function strike(times: number[], now: number): boolean {
  times.push(now)
  if (times.length > strikes_max) times.shift()
  return times.length === strikes_max && now - times[0]! <= strikes_window_ms
}
