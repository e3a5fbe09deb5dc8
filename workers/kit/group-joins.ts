/**
 * How one becomes a member of a group that there is: by an invitation, with the consent of the invited where the
 * be-invited model asks for it; by an application that the owner or an admin approves; or not at all but by an app
 * server (spec 1, "Enumerations": join and be-invited model). Pure.
 */
import { CIM } from '../../proto/index.js'
import type { GroupArgumentsOf } from '../../schemas/group-operations.js'
import type { JoinChange, Verdict } from '../ports/groups.js'
import {
  asked,
  badRequest,
  blockerAmong,
  forbidden,
  notFound,
  nothing,
  planned,
  rankOfAppServer,
  type Scene,
  tooMany,
  tooManyWait,
  typeOf,
} from './group-verdicts.js'

const { kCIM_GROUP_ROLE_ADMIN, kCIM_GROUP_ROLE_MEMBER } = CIM.Group.CIMGroupRole
const { kCIM_GROUP_JOIN_MODEL_NEED_AUTH, kCIM_GROUP_JOIN_MODEL_REJECT } = CIM.Group.CIMGroupJoinModel
const { kCIM_GROUP_BE_INVITE_MODEL_NEED_AGREE } = CIM.Group.CIMGroupBeInviteMode
const { kCIM_GROUP_JOIN_KIND_APPLICATION, kCIM_GROUP_JOIN_KIND_INVITATION } = CIM.Group.CIMGroupJoinKind
const { kCIM_GROUP_JOIN_STATE_OPEN, kCIM_GROUP_JOIN_STATE_REFUSED } = CIM.Group.CIMGroupJoinState

/** These join now, and those are asked. */
function joining(
  { group, limits }: Scene,
  from: number,
  added: readonly number[],
  { data = {}, joins = [] }: { readonly data?: object; readonly joins?: readonly JoinChange[] } = {},
): Verdict {
  const count = group.member_count + added.length
  if (count > limits.GROUP_SUPER_MAX) return tooMany(limits)
  const group_type = Math.max(group.group_type, typeOf(count, limits))
  return planned(from, 'group.members_added', added, { data, added, joins, group: { group_type } })
}

const inviterRank = [kCIM_GROUP_ROLE_MEMBER, kCIM_GROUP_ROLE_ADMIN, rankOfAppServer]

/** Who is asked for consent waits, save who has applied; an app server asks nobody. */
export function judgeInvitation(scene: Scene, { members }: GroupArgumentsOf<'invite'>): Verdict {
  const { group, state, from, rank, limits } = scene
  if (rank < (inviterRank[group.join_model] ?? rankOfAppServer))
    return forbidden('this group does not let its members invite')
  const unknown = members.find((user) => !state.users.has(user))
  if (unknown !== undefined) return notFound(`there is no user ${unknown}`)
  const strangers = [...new Set(members)].filter((user) => !state.members.has(user))
  if (group.member_count + strangers.length > limits.GROUP_SUPER_MAX) return tooMany(limits)
  const unwilling = blockerAmong(strangers, state, limits)
  if (unwilling !== undefined) return forbidden(`${unwilling} is not to be invited by you`)
  const needsConsent =
    group.be_invite_model === kCIM_GROUP_BE_INVITE_MODEL_NEED_AGREE && rank < rankOfAppServer
  const added = strangers.filter(
    (user) => !needsConsent || state.joins.get(user)?.kind === kCIM_GROUP_JOIN_KIND_APPLICATION,
  )
  const joins = strangers
    .filter((user) => !added.includes(user) && !state.joins.has(user))
    .map((user_id) => opened(user_id, kCIM_GROUP_JOIN_KIND_INVITATION, from, ''))
  if (joins.length > 0 && state.openJoins + joins.length > limits.GROUP_JOIN_OPEN_MAX)
    return tooManyWait(limits)
  return added.length === 0 ? asked(joins) : joining(scene, from, added, { joins })
}

const opened = (user_id: number, kind: number, from_user_id: number, join_text: string): JoinChange => ({
  user_id,
  kind,
  from_user_id,
  join_text,
  state: kCIM_GROUP_JOIN_STATE_OPEN,
})

const whyNoApplications = (join_model: number) =>
  join_model === kCIM_GROUP_JOIN_MODEL_REJECT
    ? 'nobody can join this group'
    : 'this group is joined by invitation'

/** Who is invited already is in at once; the same application again changes nothing. */
export function judgeApplication(
  scene: Scene,
  { user_id, join_text = '' }: GroupArgumentsOf<'apply'>,
): Verdict {
  const { group, state, limits } = scene
  if (!state.users.has(user_id)) return notFound(`there is no user ${user_id}`)
  if (state.members.has(user_id)) return nothing
  const open = state.joins.get(user_id)
  if (open?.kind === kCIM_GROUP_JOIN_KIND_INVITATION) return accepting(scene, open)
  if (group.join_model !== kCIM_GROUP_JOIN_MODEL_NEED_AUTH)
    return forbidden(whyNoApplications(group.join_model))
  if (open !== undefined) return nothing
  if (group.member_count >= limits.GROUP_SUPER_MAX) return tooMany(limits)
  if (state.openJoins >= limits.GROUP_JOIN_OPEN_MAX) return tooManyWait(limits)
  return asked([opened(user_id, kCIM_GROUP_JOIN_KIND_APPLICATION, user_id, join_text)])
}

/** Approves of applications, or refuses them; an invitation that is refused by an admin is withdrawn. */
export function judgeApplicationAnswer(
  scene: Scene,
  { members, agree }: GroupArgumentsOf<'answer-apply'>,
): Verdict {
  const { state, from, rank } = scene
  if (rank < kCIM_GROUP_ROLE_ADMIN) return forbidden('only the owner and admins say who may join')
  const open = [...new Set(members)].flatMap((user) => state.joins.get(user) ?? [])
  if (!agree && open.length > 0) return asked(open.map(refusedBy))
  const applicants = open
    .filter(({ kind }) => kind === kCIM_GROUP_JOIN_KIND_APPLICATION)
    .map(({ user_id }) => user_id)
  const known = applicants.filter((user) => state.users.has(user))
  if (known.length > 0) return joining(scene, from, known)
  return agree && members.every((user) => state.members.has(user))
    ? nothing
    : notFound('none of them has applied')
}

/** By who is invited. */
export function judgeInvitationAnswer(
  scene: Scene,
  { user_id, agree }: GroupArgumentsOf<'answer-invite'>,
): Verdict {
  const { state } = scene
  const open = state.joins.get(user_id)
  if (state.members.has(user_id)) return agree ? nothing : badRequest('a member leaves instead')
  if (open?.kind !== kCIM_GROUP_JOIN_KIND_INVITATION) return notFound('there is no such invitation')
  if (!state.users.has(user_id)) return notFound(`there is no user ${user_id}`)
  return agree ? accepting(scene, open) : asked([refusedBy(open)])
}

const refusedBy = (open: JoinChange): JoinChange => ({ ...open, state: kCIM_GROUP_JOIN_STATE_REFUSED })

/** The deed of who was invited. */
const accepting = (scene: Scene, { user_id, from_user_id }: JoinChange): Verdict =>
  scene.group.join_model === kCIM_GROUP_JOIN_MODEL_REJECT
    ? forbidden(whyNoApplications(scene.group.join_model))
    : joining(scene, user_id, [user_id], { data: { inviter: String(from_user_id) } })
