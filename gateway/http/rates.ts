/** How much each user may do over HTTP, where connections have no say. */
import { type Bucket, fullBucket, type RateLimit, takeToken } from '../rate.js'

/** The one that was idle longest is forgotten beyond this: it is full again by then. */
const users_max = 10_000

/** @param now ms, monotonic. @returns false where this user has to wait */
export function createRates(limit: RateLimit, now: () => number): (user_id: number) => boolean {
  const buckets = new Map<number, Bucket>()
  return (user_id) => {
    const time = now()
    const bucket = buckets.get(user_id) ?? fullBucket(limit, time)
    buckets.delete(user_id) // to the end of the order
    buckets.set(user_id, bucket)
    const [oldest] = buckets.keys()
    if (buckets.size > users_max && oldest !== undefined) buckets.delete(oldest)
    return takeToken(bucket, limit, time)
  }
}
