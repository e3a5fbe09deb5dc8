/** Read positions: the ReadMarks over im_mark_read (migration 0004). */
import type { Pool } from 'pg'
import type { ReadMark, ReadMarks } from '../../workers/ports/reads.js'
import { prepared } from './pool.js'

interface MarkRow {
  changed: boolean
  number: number | null
  client_msg_id: string | null
}

const markRead = prepared<MarkRow>(
  'mark-read',
  `SELECT changed, number, client_msg_id
     FROM im_mark_read($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6)`,
)

/** Marks on this pool. One round trip per batch. */
export function createReadMarks(pool: Pool): ReadMarks {
  return {
    async mark(reads) {
      const rows = await markRead(pool, [
        reads.map((read) => read.user_id),
        reads.map((read) => read.peer_id),
        reads.map((read) => read.msg_id),
        reads.map((read) => read.server_msg_id),
        reads.map((read) => read.time),
        Date.now(),
      ])
      return rows.map(toMark)
    },
  }
}

const toMark = ({ changed, number, client_msg_id }: MarkRow): ReadMark => ({
  changed,
  server_msg_id: number ?? 0,
  msg_id: client_msg_id ?? '',
})
