/** Read positions: the ReadMarks over im_mark_read (migration 0014) and im_mark_group_read (0008). */
import type { Pool } from 'pg'
import { isGroupId } from '../../schemas/ids.js'
import type { Read, ReadMark, ReadMarks } from '../../workers/ports/reads.js'
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

const markGroupRead = prepared<MarkRow>(
  'mark-group-read',
  `SELECT changed, number, client_msg_id
     FROM im_mark_group_read($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6)`,
)

/** Marks on this pool. One round trip per batch, or one for single chats and one for groups. */
export function createReadMarks(pool: Pool): ReadMarks {
  const mark = async (reads: readonly Read[], inDatabase: typeof markRead) =>
    reads.length === 0 ? [] : inDatabase(pool, [...columns(reads), Date.now()])
  return {
    async mark(reads) {
      // One after the other: where the second fails, the batch comes again, and the first answers as it did.
      const inPairs = await mark(
        reads.filter((read) => !isGroupId(read.peer_id)),
        markRead,
      )
      const inGroups = await mark(
        reads.filter((read) => isGroupId(read.peer_id)),
        markGroupRead,
      )
      const [nextPair, nextGroup] = [inPairs.values(), inGroups.values()]
      return reads.map((read) => toMark((isGroupId(read.peer_id) ? nextGroup : nextPair).next().value))
    },
  }
}

const columns = (reads: readonly Read[]): unknown[] => [
  reads.map((read) => read.user_id),
  reads.map((read) => read.peer_id),
  reads.map((read) => read.msg_id),
  reads.map((read) => read.server_msg_id),
  reads.map((read) => read.time),
]

const toMark = (row: MarkRow | undefined): ReadMark => ({
  changed: row?.changed ?? false,
  server_msg_id: row?.number ?? 0,
  msg_id: row?.client_msg_id ?? '',
})
