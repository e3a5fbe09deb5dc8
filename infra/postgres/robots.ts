/** Who is a robot, and where it is asked. Implements the RobotDirectory of workers/ports/robots.ts. */
import type { Pool } from 'pg'
import type { RobotDirectory, RobotHook } from '../../workers/ports/robots.js'
import { prepared } from './pool.js'

// By the key: the same rows that im_store_single looks at.
const selectRobots = prepared<RobotHook & { user_id: number }>(
  'robots-by-id',
  `SELECT user_id, robot_webhook AS webhook, robot_secret AS secret FROM im_user
    WHERE user_id = ANY ($1::bigint[]) AND robot_webhook IS NOT NULL AND active`,
)

/** Reads robots on this pool. */
export function createRobotDirectory(pool: Pool): RobotDirectory {
  const find = async (userIds: readonly number[]) =>
    userIds.length === 0 ? [] : selectRobots(pool, [[...new Set(userIds)]])
  return {
    among: async (userIds) => new Set((await find(userIds)).map(({ user_id }) => user_id)),
    of: async (userIds) =>
      new Map((await find(userIds)).map(({ user_id, webhook, secret }) => [user_id, { webhook, secret }])),
  }
}
