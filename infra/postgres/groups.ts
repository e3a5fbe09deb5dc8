/** Groups and their members, as they are read. Implements the GroupDirectory of workers/ports/groups.ts. */
import type { Pool } from 'pg'
import type { Group, GroupDirectory, Member } from '../../workers/ports/groups.js'
import { createJoinLists } from './group-joins.js'
import { prepared } from './pool.js'

const groupColumns = `g.group_id, g.group_name, g.owner_id, g.announcement, g.intro, g.avatar, g.group_type, g.mute_model,
  g.join_model, g.be_invite_model, g.version, g.member_count, g.disbanded, g.create_time, g.update_time`

/** Disbanded ones too; with a user only those that the user is a member of. */
export const selectGroups = prepared<Group>(
  'groups-by-id',
  `SELECT ${groupColumns} FROM im_group g
    WHERE g.group_id = ANY ($1::bigint[])
      AND ($2::bigint IS NULL OR EXISTS (
            SELECT FROM im_group_member m
             WHERE m.group_id = g.group_id AND m.user_id = $2 AND m.left_at_msg_id IS NULL))
    ORDER BY g.group_id`,
)

const groupsOfUser = prepared<{ group_id: number; version: number }>(
  'groups-of-user',
  `SELECT g.group_id, g.version FROM im_group_member m JOIN im_group g USING (group_id)
    WHERE m.user_id = $1 AND m.left_at_msg_id IS NULL AND NOT g.disbanded
    ORDER BY g.group_id`,
)

const membersOfGroup = prepared<Member>(
  'members-of-group',
  `SELECT user_id, role, mute_until FROM im_group_member
    WHERE group_id = $1 AND user_id > $2 AND left_at_msg_id IS NULL ORDER BY user_id LIMIT $3`,
)

/** Current memberships of some users in one group. */
export const selectMembers = prepared<Member>(
  'members-by-id',
  `SELECT user_id, role, mute_until FROM im_group_member
    WHERE group_id = $1 AND user_id = ANY ($2::bigint[]) AND left_at_msg_id IS NULL`,
)

/** Reads groups on this pool. */
export const createGroupDirectory = (pool: Pool): GroupDirectory => ({
  ofUser: (user_id) => groupsOfUser(pool, [user_id]),
  of: (groupIds, memberOf) => selectGroups(pool, [groupIds, memberOf ?? null]),
  members: ({ group_id, after, limit }) => membersOfGroup(pool, [group_id, after, limit ?? null]),
  ...createJoinLists(pool),
  member: async (group_id, user_id) => (await selectMembers(pool, [group_id, [user_id]]))[0],
})
