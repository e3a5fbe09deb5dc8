/**
 * Who may change what of a group (spec 2, "Group chat" 2 and 6). Pure: a request is judged by what stands in the tables
 * under the lock of the group's conversation, and becomes a plan, a refusal, or nothing where it is already so.
 */
import { CIM } from '../../proto/index.js'
import type { GroupArgumentsOf, GroupCall } from '../../schemas/group-operations.js'
import type { Group, GroupPlan, GroupState, Member, Verdict } from '../ports/groups.js'

const { CIMErrorCode } = CIM.Def
const { kCIM_GROUP_ROLE_ADMIN, kCIM_GROUP_ROLE_MEMBER, kCIM_GROUP_ROLE_OWNER } = CIM.Group.CIMGroupRole
const { kCIM_GROUP_TYPE_GROUP_NORMAL, kCIM_GROUP_TYPE_GROUP_SUPER } = CIM.Group.CIMGroupType

/** An app server may do what no member may. */
const rankOfAppServer = kCIM_GROUP_ROLE_OWNER + 1

const maxNameCharacters = 32

export interface GroupLimits {
  /** Members above which a group is SUPER. */
  readonly GROUP_NORMAL_MAX: number
  readonly GROUP_SUPER_MAX: number
  /** Nobody is brought into a group by whom they have blocked. */
  readonly BLOCKLIST_ON_INVITE: boolean
}

/** A change that somebody asks for. */
export interface GroupAct {
  readonly call: GroupCall
  /** Undefined: an app server, which acts as the owner. */
  readonly operator: number | undefined
  readonly limits: GroupLimits
}

/** Somebody who may act on a group that there is. */
interface Scene {
  readonly group: Group
  readonly state: GroupState
  /** Whose deed it is called. */
  readonly from: number
  readonly rank: number
  readonly limits: GroupLimits
}

const nothing: Verdict = { kind: 'nothing' }

const refused = (code: CIM.Def.CIMErrorCode, reason: string): Verdict => ({
  kind: 'refused',
  refusal: { code, reason },
})
const forbidden = (reason: string): Verdict => refused(CIMErrorCode.kCIM_ERR_FORBIDDEN, reason)
const badRequest = (reason: string): Verdict => refused(CIMErrorCode.kCIM_ERR_BAD_REQUEST, reason)
const notFound = (reason: string): Verdict => refused(CIMErrorCode.kCIM_ERR_NOT_FOUND, reason)

/** A change of the kind that its NOTIFICATION names. */
const planned = (
  from: number,
  notification: string,
  members: readonly number[],
  { data = {}, ...changes }: Partial<GroupPlan> & { readonly data?: object },
): Verdict => ({
  kind: 'planned',
  plan: {
    from,
    notification: {
      notification,
      data: { ...data, operator: String(from), members: members.map(String) },
    },
    group: {},
    added: [],
    removed: [],
    roles: [],
    muted: undefined,
    ...changes,
  },
})

/** Judges a change. */
export function judge({ call, operator, limits }: GroupAct, state: GroupState): Verdict {
  if (call.operation === 'create') return judgeCreation(call.arguments, operator, state, limits)
  const { group } = state
  if (group === undefined) return notFound('there is no such group')
  const member = operator === undefined ? undefined : state.members.get(operator)
  if (operator !== undefined && member === undefined) return forbidden('only its members may do that')
  const scene: Scene = {
    group,
    state,
    limits,
    from: operator ?? group.owner_id,
    rank: member?.role ?? rankOfAppServer,
  }
  switch (call.operation) {
    case 'disband':
      return judgeDisbanding(scene)
    case 'exit':
      return operator === undefined ? badRequest('only a member can leave') : judgeExit(scene)
    case 'invite':
      return judgeInvitation(scene, call.arguments)
    case 'kick':
      return judgeKick(scene, call.arguments)
    case 'update':
      return judgeUpdate(scene, call.arguments)
    case 'set-role':
      return judgeRole(scene, call.arguments)
    case 'mute':
      return judgeMute(scene, call.arguments)
    case 'transfer':
      return judgeTransfer(scene, call.arguments)
    default:
      throw new TypeError(`${call.operation} changes nothing`)
  }
}

/** The creator is a member, whether listed or not. */
function judgeCreation(
  given: GroupArgumentsOf<'create'>,
  operator: number | undefined,
  state: GroupState,
  limits: GroupLimits,
): Verdict {
  const { users } = state
  const { owner_id, group_name, announcement, group_intro, group_avatar } = given
  if (operator !== undefined && operator !== owner_id) return forbidden('a group is made for oneself')
  const members = [...new Set([owner_id, ...given.members])]
  const unknown = members.find((user) => !users.has(user))
  if (unknown !== undefined) return notFound(`there is no user ${unknown}`)
  if (members.length > limits.GROUP_SUPER_MAX) return tooMany(limits)
  const unwilling = blockerAmong(members, state, limits)
  if (unwilling !== undefined) return forbidden(`${unwilling} is not to be invited by you`)
  const name = group_name || nameOf(members.map((user) => users.get(user) ?? ''))
  return planned(owner_id, 'group.created', members, {
    data: { group_name: name },
    group: {
      group_name: name,
      owner_id,
      announcement: announcement ?? '',
      intro: group_intro ?? '',
      avatar: group_avatar ?? '',
      group_type: typeOf(members.length, limits),
    },
    added: members,
    roles: [{ user_id: owner_id, role: kCIM_GROUP_ROLE_OWNER }],
  })
}

/** Its members' names, as many as fit. */
const nameOf = (names: readonly string[]): string =>
  [...names.filter((name) => name !== '').join(', ')].slice(0, maxNameCharacters).join('').trim()

const typeOf = (members: number, { GROUP_NORMAL_MAX }: GroupLimits) =>
  members > GROUP_NORMAL_MAX ? kCIM_GROUP_TYPE_GROUP_SUPER : kCIM_GROUP_TYPE_GROUP_NORMAL

const tooMany = ({ GROUP_SUPER_MAX }: GroupLimits) =>
  badRequest(`a group has at most ${GROUP_SUPER_MAX} members`)

function judgeDisbanding({ from, rank }: Scene): Verdict {
  if (rank < kCIM_GROUP_ROLE_OWNER) return forbidden('only the owner may disband the group')
  return planned(from, 'group.disbanded', [], { group: { disbanded: true } })
}

/** The owner is followed by the longest-serving admin, else member; a group that nobody is in is disbanded. */
function judgeExit({ state, from, rank }: Scene): Verdict {
  if (rank < kCIM_GROUP_ROLE_OWNER) return planned(from, 'group.member_left', [from], { removed: [from] })
  const { heir } = state
  if (heir === undefined)
    return planned(from, 'group.member_left', [from], { removed: [from], group: { disbanded: true } })
  return planned(from, 'group.member_left', [from], {
    data: { owner: String(heir) },
    removed: [from],
    group: { owner_id: heir },
    roles: [{ user_id: heir, role: kCIM_GROUP_ROLE_OWNER }],
  })
}

/** One of them who has blocked who acts, where that counts. */
const blockerAmong = (users: readonly number[], { blockers }: GroupState, limits: GroupLimits) =>
  limits.BLOCKLIST_ON_INVITE ? users.find((user) => blockers.has(user)) : undefined

const inviterRank = [kCIM_GROUP_ROLE_MEMBER, kCIM_GROUP_ROLE_ADMIN, rankOfAppServer]

function judgeInvitation(scene: Scene, { members }: GroupArgumentsOf<'invite'>): Verdict {
  const { group, state, from, rank, limits } = scene
  if (rank < (inviterRank[group.join_model] ?? rankOfAppServer))
    return forbidden('this group does not let its members invite')
  const unknown = members.find((user) => !state.users.has(user))
  if (unknown !== undefined) return notFound(`there is no user ${unknown}`)
  const added = [...new Set(members)].filter((user) => !state.members.has(user))
  if (added.length === 0) return nothing
  const count = group.member_count + added.length
  if (count > limits.GROUP_SUPER_MAX) return tooMany(limits)
  const unwilling = blockerAmong(added, state, limits)
  if (unwilling !== undefined) return forbidden(`${unwilling} is not to be invited by you`)
  const group_type = Math.max(group.group_type, typeOf(count, limits))
  return planned(from, 'group.members_added', added, { added, group: { group_type } })
}

function judgeKick({ group, state, from, rank }: Scene, { members }: GroupArgumentsOf<'kick'>): Verdict {
  if (rank < kCIM_GROUP_ROLE_ADMIN) return forbidden('only the owner and admins may remove members')
  if (members.includes(group.owner_id)) return forbidden('the owner cannot be removed')
  if (members.includes(from)) return badRequest('to remove oneself is to leave')
  const removed = membersAmong(state, members)
  if (removed.length === 0) return notFound('none of them is a member')
  if (removed.some(({ role }) => role >= rank)) return forbidden('an admin cannot remove an admin')
  const gone = removed.map(({ user_id }) => user_id)
  return planned(from, 'group.members_removed', gone, { removed: gone })
}

const membersAmong = ({ members }: GroupState, users: readonly number[]): readonly Member[] =>
  [...new Set(users)].flatMap((user) => members.get(user) ?? [])

function judgeUpdate({ group, from, rank }: Scene, { change }: GroupArgumentsOf<'update'>): Verdict {
  if (rank < kCIM_GROUP_ROLE_ADMIN) return forbidden('only the owner and admins may change the group')
  const { group_name, announcement, group_intro, group_avatar, join_model } = change
  const asked = { group_name, announcement, intro: group_intro, avatar: group_avatar, join_model }
  const changed = Object.entries(asked).filter(
    ([column, value]) => value !== undefined && value !== group[column as keyof typeof asked],
  )
  if (changed.length === 0) return nothing
  const values: Partial<Group> = Object.fromEntries(changed)
  return planned(from, 'group.changed', [], { data: values, group: values })
}

function judgeRole(scene: Scene, { members, role }: GroupArgumentsOf<'set-role'>): Verdict {
  const { group, state, from, rank } = scene
  if (rank < kCIM_GROUP_ROLE_OWNER) return forbidden('only the owner gives roles')
  if (members.includes(group.owner_id)) return badRequest('the owner gives the group to somebody else first')
  const stranger = members.find((user) => !state.members.has(user))
  if (stranger !== undefined) return notFound(`${stranger} is no member`)
  const changed = membersAmong(state, members).filter((member) => member.role !== role)
  if (changed.length === 0) return nothing
  const users = changed.map(({ user_id }) => user_id)
  const roles = users.map((user_id) => ({ user_id, role }))
  return planned(from, 'group.role_changed', users, { data: { role }, roles })
}

/** All, or some members; those of one's own rank and above not. */
function judgeMute(scene: Scene, { mute_model, members, mute_until }: GroupArgumentsOf<'mute'>): Verdict {
  const { group, state, from, rank } = scene
  if (rank < kCIM_GROUP_ROLE_ADMIN) return forbidden('only the owner and admins may mute')
  if (members.length > 0 !== (mute_until !== undefined))
    return badRequest('members and mute_until go together')
  if (mute_model === undefined && mute_until === undefined) return badRequest('neither all nor anybody')
  const stranger = members.find((user) => !state.members.has(user))
  if (stranger !== undefined) return notFound(`${stranger} is no member`)
  const meant = membersAmong(state, members)
  if (meant.some(({ role }) => role >= Math.min(rank, kCIM_GROUP_ROLE_OWNER)))
    return forbidden('the owner and, by an admin, admins cannot be muted')
  const muted = meant.filter((member) => member.mute_until !== mute_until).map(({ user_id }) => user_id)
  const modelChanges = mute_model !== undefined && mute_model !== group.mute_model
  if (muted.length === 0 && !modelChanges) return nothing
  return planned(from, 'group.muted', muted, {
    data: { ...(modelChanges ? { mute_model } : {}), ...(muted.length > 0 ? { mute_until } : {}) },
    group: modelChanges ? { mute_model } : {},
    muted: muted.length > 0 ? { members: muted, until: mute_until ?? 0 } : undefined,
  })
}

function judgeTransfer(
  { group, state, from, rank }: Scene,
  { owner_id }: GroupArgumentsOf<'transfer'>,
): Verdict {
  if (rank < kCIM_GROUP_ROLE_OWNER) return forbidden('only the owner may give the group away')
  if (!state.members.has(owner_id)) return notFound(`${owner_id} is no member`)
  if (owner_id === group.owner_id) return nothing
  return planned(from, 'group.owner_changed', [owner_id], {
    data: { owner: String(owner_id) },
    group: { owner_id },
    roles: [
      { user_id: group.owner_id, role: kCIM_GROUP_ROLE_MEMBER },
      { user_id: owner_id, role: kCIM_GROUP_ROLE_OWNER },
    ],
  })
}
