/** Sessions with large groups, brought up to date when their user looks (migration 0016, ADR 18). */
import type { Pool } from 'pg'
import { prepared } from './pool.js'

const settle = prepared('settle-users', 'SELECT im_settle_users($1::bigint[], $2)')

/** Counts for these users what was said in groups by reading since they last looked, up to now. */
export async function settleSessions(pool: Pool, users: readonly number[]): Promise<void> {
  if (users.length > 0) await settle(pool, [[...new Set(users)], Date.now()])
}
