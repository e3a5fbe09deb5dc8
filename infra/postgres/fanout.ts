/** Group messages to their members: the GroupFanout over im_fan_out (migration 0007). */
import type { Pool } from 'pg'
import type { GroupFanout } from '../../workers/ports/messages.js'
import { prepared } from './pool.js'

/** Users per transaction: with the worker's slices of messages it bounds the rows of one. */
const usersAtOnce = 500

interface ReadersRow {
  readers: number[]
  last_user: number | null
}

const fanOutSome = prepared<ReadersRow>(
  'fan-out',
  'SELECT readers, last_user FROM im_fan_out($1::bigint[], $2::bigint[], $3, $4, $5)',
)

/** Fans out on this pool. One round trip per five hundred members of all the groups together. */
export const createGroupFanout = (pool: Pool): GroupFanout => ({
  async fanOut(messages) {
    const readers: number[][] = messages.map(() => [])
    const groups = messages.map((message) => message.group_id)
    const numbers = messages.map((message) => message.server_msg_id)
    let after: number | null = messages.length === 0 ? null : 0
    while (after !== null) {
      const rows: ReadersRow[] = await fanOutSome(pool, [groups, numbers, after, usersAtOnce, Date.now()])
      for (const [at, row] of rows.entries()) readers[at]?.push(...row.readers)
      after = rows[0]?.last_user ?? null
    }
    return readers
  },
})
