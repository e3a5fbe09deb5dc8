/**
 * Who is, or lately was, in a group, kept in this process by the group's version: a change of the members raises it, so
 * what is kept is never old. It saves reading ten thousand rows per message; who may send is asked of the table.
 */
import type { Pool } from 'pg'
import { prepared } from './pool.js'

/** A reader of n is who has joined_at <= n < left_at. */
export interface Membership {
  readonly user_id: number
  readonly joined_at: number
  /** null: still a member. */
  readonly left_at: number | null
}

/** Of a group at this version those memberships are asked that cover `since` or a later number. */
export interface MembersAsked {
  readonly group_id: number
  readonly version: number
  readonly since: number
}

export interface GroupMembers {
  /** By user. The version must have been read after the message was stored whose readers are wanted. */
  of(asked: MembersAsked): Promise<readonly Membership[]>
}

interface Kept {
  readonly version: number
  readonly since: number
  readonly members: readonly Membership[]
}

/** Over all groups; at about 100 bytes each. */
const membershipsKept = 200_000

// One statement, so that the version is the one of these rows.
const selectMembers = prepared<{ version: number } & (Membership | { user_id: null })>(
  'group-members-kept',
  `SELECT g.version, m.user_id, m.joined_at_msg_id AS joined_at, m.left_at_msg_id AS left_at
     FROM im_group g
     LEFT JOIN im_group_member m
       ON m.group_id = g.group_id AND (m.left_at_msg_id IS NULL OR m.left_at_msg_id > $2)
    WHERE g.group_id = $1 ORDER BY m.user_id`,
)

/** Reads on this pool what it does not have. */
export function createGroupMembers(pool: Pool): GroupMembers {
  /** The one that was used last is the last. */
  const kept = new Map<number, Kept>()
  let size = 0

  function forget(group_id: number): void {
    size -= kept.get(group_id)?.members.length ?? 0
    kept.delete(group_id)
  }

  function keep(group_id: number, entry: Kept): void {
    forget(group_id)
    kept.set(group_id, entry)
    size += entry.members.length
    for (const [oldest] of kept) {
      if (size <= membershipsKept || oldest === group_id) break
      forget(oldest)
    }
  }

  async function read(group_id: number, since: number): Promise<Kept> {
    const rows = await selectMembers(pool, [group_id, since])
    const members = rows.flatMap((row) =>
      row.user_id === null ? [] : [{ user_id: row.user_id, joined_at: row.joined_at, left_at: row.left_at }],
    )
    return { version: rows[0]?.version ?? 0, since, members }
  }

  return {
    async of({ group_id, version, since }) {
      const found = kept.get(group_id)
      const entry =
        found !== undefined && found.version >= version && found.since <= since
          ? found
          : await read(group_id, since)
      keep(group_id, entry)
      return entry.members
    },
  }
}
