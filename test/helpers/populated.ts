/** A database of one's own in which there are users already. */
import type pg from 'pg'
import { createPool } from '../../infra/postgres/pool.js'
import { freshDatabase } from './database.js'
import { silentLog } from './log.js'

export interface Populated {
  readonly url: string
  readonly pool: pg.Pool
  /** Drops it. */
  close(): Promise<void>
}

interface Options {
  /** Of these users the one who is deactivated. */
  readonly gone?: number
  /** The one who is a robot. */
  readonly robot?: number
  readonly connections?: number
}

/** Users 1 … `users`, called `user 1` …. */
export async function populated(
  users: number,
  { gone = 0, robot = 0, connections = 10 }: Options = {},
): Promise<Populated> {
  const database = await freshDatabase()
  const pool = createPool(database.url, connections, silentLog)
  await pool.query({
    text: `INSERT INTO im_user (user_id, nick_name, created, updated, active, robot_webhook)
           SELECT n, 'user ' || n, 0, 0, n <> $2::bigint, CASE WHEN n = $3::bigint THEN 'http://robot' END
             FROM generate_series(1, $1::bigint) n`,
    values: [users, gone, robot],
  })
  return {
    url: database.url,
    pool,
    async close() {
      await pool.end()
      await database.drop()
    },
  }
}
