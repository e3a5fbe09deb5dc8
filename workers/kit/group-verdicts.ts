/** What every rule about groups is given, and the verdicts that it gives. */
import { CIM } from '../../proto/index.js'
import type { Group, GroupPlan, GroupState, JoinChange, Verdict } from '../ports/groups.js'

const { CIMErrorCode } = CIM.Def
const { kCIM_GROUP_ROLE_OWNER } = CIM.Group.CIMGroupRole
const { kCIM_GROUP_TYPE_GROUP_NORMAL, kCIM_GROUP_TYPE_GROUP_SUPER } = CIM.Group.CIMGroupType

/** An app server may do what no member may. */
export const rankOfAppServer = kCIM_GROUP_ROLE_OWNER + 1

export interface GroupLimits {
  /** Members above which a group is SUPER. */
  readonly GROUP_NORMAL_MAX: number
  readonly GROUP_SUPER_MAX: number
  /** Nobody is brought into a group by whom they have blocked. */
  readonly BLOCKLIST_ON_INVITE: boolean
  /** Applications and invitations that may be open in one group. */
  readonly GROUP_JOIN_OPEN_MAX: number
  readonly GROUP_JOIN_EXPIRES_MS: number
}

/** Somebody who may act on a group that there is. */
export interface Scene {
  readonly group: Group
  readonly state: GroupState
  /** Whose deed it is called. */
  readonly from: number
  readonly rank: number
  readonly limits: GroupLimits
}

export const nothing: Verdict = { kind: 'nothing' }

const refused = (code: CIM.Def.CIMErrorCode, reason: string): Verdict => ({
  kind: 'refused',
  refusal: { code, reason },
})
/** Who asks may not. */
export const forbidden = (reason: string): Verdict => refused(CIMErrorCode.kCIM_ERR_FORBIDDEN, reason)
/** Nobody could. */
export const badRequest = (reason: string): Verdict => refused(CIMErrorCode.kCIM_ERR_BAD_REQUEST, reason)
/** What is named is not there. */
export const notFound = (reason: string): Verdict => refused(CIMErrorCode.kCIM_ERR_NOT_FOUND, reason)
/** Not now: too many wait. */
export const tooManyWait = ({ GROUP_JOIN_OPEN_MAX }: GroupLimits): Verdict =>
  refused(
    CIMErrorCode.kCIM_ERR_RATE_LIMITED,
    `${GROUP_JOIN_OPEN_MAX} wait for an answer in this group already`,
  )

/** More members than a group may have. */
export const tooMany = ({ GROUP_SUPER_MAX }: GroupLimits): Verdict =>
  badRequest(`a group has at most ${GROUP_SUPER_MAX} members`)

/** NORMAL or SUPER, by how many are in it. */
export const typeOf = (members: number, { GROUP_NORMAL_MAX }: GroupLimits): CIM.Group.CIMGroupType =>
  members > GROUP_NORMAL_MAX ? kCIM_GROUP_TYPE_GROUP_SUPER : kCIM_GROUP_TYPE_GROUP_NORMAL

/** Applications or invitations that are opened or refused, and nobody joins with it. */
export const asked = (joins: readonly JoinChange[]): Verdict =>
  joins.length === 0 ? nothing : { kind: 'asked', joins }

/** A change of the kind that its NOTIFICATION names. */
export const planned = (
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
    joins: [],
    ...changes,
  },
})

/** One of them who has blocked who acts, where that counts. */
export const blockerAmong = (
  users: readonly number[],
  { blockers }: GroupState,
  limits: GroupLimits,
): number | undefined => (limits.BLOCKLIST_ON_INVITE ? users.find((user) => blockers.has(user)) : undefined)
