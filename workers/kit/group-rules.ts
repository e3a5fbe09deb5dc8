/**
 * Who may change what of a group (spec 2, "Group chat" 2 and 6). Pure: a request is judged by what stands in the tables
 * under the lock of the group's conversation, and becomes a plan, a refusal, or nothing where it is already so.
 */
import { CIM } from '../../proto/index.js'
import type { GroupArgumentsOf, GroupCall } from '../../schemas/group-operations.js'
import type { Group, GroupState, Member, Verdict } from '../ports/groups.js'
import {
  judgeApplication,
  judgeApplicationAnswer,
  judgeInvitation,
  judgeInvitationAnswer,
} from './group-joins.js'
import {
  badRequest,
  blockerAmong,
  forbidden,
  type GroupLimits,
  notFound,
  nothing,
  planned,
  rankOfAppServer,
  type Scene,
  tooMany,
  typeOf,
} from './group-verdicts.js'

const { kCIM_GROUP_ROLE_ADMIN, kCIM_GROUP_ROLE_MEMBER, kCIM_GROUP_ROLE_OWNER } = CIM.Group.CIMGroupRole

const maxNameCharacters = 32
const rankOfStranger = -1

/** A change that somebody asks for. */
export interface GroupAct {
  readonly call: GroupCall
  /** Undefined: an app server, which acts as the owner. */
  readonly operator: number | undefined
  readonly limits: GroupLimits
}

/** What nobody needs to be a member for. */
const isOfStrangers = ({ operation }: GroupCall): boolean =>
  operation === 'apply' || operation === 'answer-invite'

/** Judges a change. */
export function judge({ call, operator, limits }: GroupAct, state: GroupState): Verdict {
  if (call.operation === 'create') return judgeCreation(call.arguments, operator, state, limits)
  const { group } = state
  if (group === undefined) return notFound('there is no such group')
  const member = operator === undefined ? undefined : state.members.get(operator)
  if (operator !== undefined && member === undefined && !isOfStrangers(call))
    return forbidden('only its members may do that')
  const scene: Scene = {
    group,
    state,
    limits,
    from: operator ?? group.owner_id,
    rank: operator === undefined ? rankOfAppServer : (member?.role ?? rankOfStranger),
  }
  switch (call.operation) {
    case 'disband':
      return judgeDisbanding(scene)
    case 'exit':
      return operator === undefined ? badRequest('only a member can leave') : judgeExit(scene)
    case 'invite':
      return judgeInvitation(scene, call.arguments)
    case 'apply':
      return judgeApplication(scene, call.arguments)
    case 'answer-apply':
      return judgeApplicationAnswer(scene, call.arguments)
    case 'answer-invite':
      return judgeInvitationAnswer(scene, call.arguments)
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
  const { owner_id, group_name, announcement, group_intro, group_avatar, join_model, be_invite_model } = given
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
      ...(join_model === undefined ? {} : { join_model }),
      ...(be_invite_model === undefined ? {} : { be_invite_model }),
    },
    added: members,
    roles: [{ user_id: owner_id, role: kCIM_GROUP_ROLE_OWNER }],
  })
}

/** Its members' names, as many as fit. */
const nameOf = (names: readonly string[]): string =>
  [...names.filter((name) => name !== '').join(', ')].slice(0, maxNameCharacters).join('').trim()

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
  const { group_intro: intro, group_avatar: avatar, ...same } = change
  const asked = { ...same, intro, avatar }
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
