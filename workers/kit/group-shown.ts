/** Groups, their members, and who may become one, as packets and the REST API show them. */
import type { CIM } from '../../proto/index.js'
import type { GroupAnswer } from '../../schemas/group-operations.js'
import type { Group, JoinRequest, Member } from '../ports/groups.js'

const seconds = (time_ms: number): number => Math.floor(time_ms / 1_000)

/** A group as packets have it. */
export const groupInfo = (group: Group): CIM.Group.ICIMGroupInfo => ({
  group_id: group.group_id,
  group_name: group.group_name,
  group_type: group.group_type,
  join_model: group.join_model,
  be_invite_model: group.be_invite_model,
  mute_model: group.mute_model,
  group_owner_id: group.owner_id,
  create_time: seconds(group.create_time),
  update_time: seconds(group.update_time),
  group_intro: group.intro,
  announcement: group.announcement,
  group_avatar: group.avatar,
  member_count: group.member_count,
  group_version: group.version,
})

/** As the REST API has it. */
export const groupShown = (group: Group) => ({
  group_id: String(group.group_id),
  group_name: group.group_name,
  group_type: group.group_type,
  owner_id: String(group.owner_id),
  announcement: group.announcement,
  group_intro: group.intro,
  group_avatar: group.avatar,
  mute_model: group.mute_model,
  join_model: group.join_model,
  be_invite_model: group.be_invite_model,
  member_count: group.member_count,
  version: group.version,
  disbanded: group.disbanded,
  create_time: group.create_time,
  update_time: group.update_time,
})

/** An application or invitation as packets have it. */
export const joinInfo = (request: JoinRequest): CIM.Group.ICIMGroupJoinInfo => ({
  group_id: request.group_id,
  user_id: request.user_id,
  kind: request.kind,
  from_user_id: request.from_user_id,
  state: request.state,
  create_time: request.create_time,
  expire_time: request.expire_time,
  join_text: request.join_text,
  group_name: request.group_name,
})

const joinShown = (request: JoinRequest) => ({
  ...request,
  group_id: String(request.group_id),
  user_id: String(request.user_id),
  from_user_id: String(request.from_user_id),
})

/** One more than asked for was read: there is a next page, which begins after this one's last. */
const cursorOf = (ids: readonly number[], limit: number): Pick<GroupAnswer, 'cursor'> => {
  const last = ids[limit - 1]
  return ids.length > limit && last !== undefined ? { cursor: String(last) } : {}
}

/** A page of members, of which one more than asked for was read. */
export const membersPage = (members: readonly Member[], limit: number): GroupAnswer => ({
  members: members
    .slice(0, limit)
    .map(({ user_id, role, mute_until }) => ({ user_id: String(user_id), role, mute_until })),
  ...cursorOf(
    members.map(({ user_id }) => user_id),
    limit,
  ),
})

/** A page of applications and invitations, of which one more than asked for was read; by the id of this field. */
export const joinsPage = (
  joins: readonly JoinRequest[],
  limit: number,
  by: 'user_id' | 'group_id',
): GroupAnswer => ({
  joins: joins.slice(0, limit).map(joinShown),
  ...cursorOf(
    joins.map((each) => each[by]),
    limit,
  ),
})
