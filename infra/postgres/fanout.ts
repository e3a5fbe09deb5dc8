/** Group messages to their members: rows by im_copy_to_members (migration 0016), save where a message is by reading. */
import type { Pool } from 'pg'
import type { GroupFanout, GroupMessageKey } from '../../workers/ports/messages.js'
import { createGroupMembers, type GroupMembers, type Membership } from './group-members.js'
import { prepared } from './pool.js'

/** Members per transaction: with the worker's slices of messages it bounds the rows of one. */
const membersAtOnce = 500

interface FoundMessage extends GroupMessageKey {
  /** Which of those asked, from 1. */
  readonly question: number
  readonly msg_from: number
  /** Of the group, now. */
  readonly version: number
  readonly by_reading: boolean
}

// With the limit each message is looked up by its whole key, not joined by group: that would read all of the group's.
const findMessages = prepared<FoundMessage>(
  'fan-out-messages',
  `SELECT k.o::integer AS question, k.g AS group_id, k.n AS server_msg_id, m.msg_from, g.version,
          im_is_by_reading(k.g, k.n) AS by_reading
     FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY k(g, n, o)
    CROSS JOIN LATERAL (SELECT x.msg_from FROM im_message_group x
                         WHERE x.group_id = k.g AND x.msg_id = k.n LIMIT 1) m
     JOIN im_group g ON g.group_id = k.g
    ORDER BY k.o`,
)

const copyToMembers = prepared(
  'copy-to-members',
  `SELECT im_copy_to_members($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7)`,
)

interface Member extends Membership {
  readonly group_id: number
}

/** Fans out on this pool. One round trip, and one per five hundred members of the groups that are by writing. */
export function createGroupFanout(pool: Pool): GroupFanout {
  const members = createGroupMembers(pool)
  return {
    async fanOut(messages) {
      if (messages.length === 0) return []
      const found = await findMessages(pool, keyColumns(messages))
      const ofGroups = await membersOf(members, found)
      const byWriting = found.filter(({ by_reading }) => !by_reading)
      await writeCopies(pool, byWriting, ofGroups)
      const readers: (readonly number[])[] = messages.map(() => [])
      for (const message of found)
        readers[message.question - 1] = readersOf(message, ofGroups.get(message.group_id) ?? [])
      return readers
    },
  }
}

const keyColumns = (messages: readonly GroupMessageKey[]): unknown[] => [
  messages.map((message) => message.group_id),
  messages.map((message) => message.server_msg_id),
]

/** Of each group the memberships that cover any of its messages. */
async function membersOf(
  members: GroupMembers,
  found: readonly FoundMessage[],
): Promise<ReadonlyMap<number, readonly Membership[]>> {
  const asked = new Map<number, { version: number; since: number }>()
  for (const { group_id, version, server_msg_id } of found) {
    const since = Math.min(asked.get(group_id)?.since ?? server_msg_id, server_msg_id)
    asked.set(group_id, { version, since })
  }
  const ofGroups = new Map<number, readonly Membership[]>()
  for (const [group_id, each] of asked) ofGroups.set(group_id, await members.of({ group_id, ...each }))
  return ofGroups
}

const readersOf = (message: FoundMessage, members: readonly Membership[]): number[] =>
  members
    .filter(
      ({ user_id, joined_at, left_at }) =>
        user_id !== message.msg_from &&
        joined_at <= message.server_msg_id &&
        (left_at === null || message.server_msg_id < left_at),
    )
    .map(({ user_id }) => user_id)

/** In the order of all who write sessions, so that two batches never wait for each other in a circle. */
async function writeCopies(
  pool: Pool,
  messages: readonly FoundMessage[],
  ofGroups: ReadonlyMap<number, readonly Membership[]>,
): Promise<void> {
  const groups = [...new Set(messages.map(({ group_id }) => group_id))]
  const members = groups
    .flatMap((group_id) => (ofGroups.get(group_id) ?? []).map((member): Member => ({ group_id, ...member })))
    .sort((a, b) => a.user_id - b.user_id || a.group_id - b.group_id)
  for (let at = 0; at < members.length; at += membersAtOnce) {
    const some = members.slice(at, at + membersAtOnce)
    await copyToMembers(pool, [...keyColumns(messages), ...memberColumns(some), Date.now()])
  }
}

const memberColumns = (members: readonly Member[]): unknown[] => [
  members.map(({ group_id }) => group_id),
  members.map(({ user_id }) => user_id),
  members.map(({ joined_at }) => joined_at),
  members.map(({ left_at }) => left_at),
]
