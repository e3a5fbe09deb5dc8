/** Groups and their members, as workers need them. Types only; infra/postgres implements them. Times in ms. */
import type { CIM } from '../../proto/index.js'

export interface Group {
  readonly group_id: number
  readonly group_name: string
  readonly owner_id: number
  readonly announcement: string
  readonly intro: string
  readonly avatar: string
  /** CIMGroupType */
  readonly group_type: number
  readonly mute_model: number
  readonly join_model: number
  readonly be_invite_model: number
  readonly version: number
  readonly member_count: number
  readonly disbanded: boolean
  readonly create_time: number
  readonly update_time: number
}

export interface Member {
  readonly user_id: number
  /** 0 member, 1 admin, 2 owner */
  readonly role: number
  readonly mute_until: number
}

/** An application to join a group, or an invitation to it: one per group and user. */
export interface JoinRequest {
  readonly group_id: number
  readonly group_name: string
  /** Who is to join. */
  readonly user_id: number
  /** CIMGroupJoinKind */
  readonly kind: number
  /** Who applied, or who invited. */
  readonly from_user_id: number
  /** CIMGroupJoinState */
  readonly state: number
  readonly join_text: string
  readonly create_time: number
  readonly expire_time: number
}

/** An application or invitation as it is from now on. Who has become a member has none. */
export type JoinChange = Pick<JoinRequest, 'user_id' | 'kind' | 'from_user_id' | 'state' | 'join_text'>

/** What a change is judged by, as it stands under the lock of the group's conversation. */
export interface GroupState {
  /** Undefined where there is none, or it is disbanded. */
  readonly group: Group | undefined
  /** Memberships of the users that the request names, and of who acts. */
  readonly members: ReadonlyMap<number, Member>
  /** Nick names of the named users who exist and are active. */
  readonly users: ReadonlyMap<number, string>
  /** The named users who have blocked who acts. */
  readonly blockers: ReadonlySet<number>
  /** What is open of the named users. */
  readonly joins: ReadonlyMap<number, JoinChange>
  /** How many are open in the whole group; counted where its models let any be. */
  readonly openJoins: number
  /** Who comes next when the owner leaves; undefined for nobody. */
  readonly heir: number | undefined
}

/** The content of a NOTIFICATION (spec 1, "What is in msg_data"): ids as decimal strings. */
export interface GroupNotification {
  readonly notification: string
  readonly data: {
    readonly operator: string
    readonly members: readonly string[]
    readonly [field: string]: unknown
  }
}

/** What is written when a change is allowed, with its number. */
export interface GroupPlan {
  /** Who the NOTIFICATION is from: who did it, for an app server the owner. */
  readonly from: number
  readonly notification: GroupNotification
  /** Columns that get a new value; of a new group every one that has no default. */
  readonly group: Partial<
    Omit<Group, 'group_id' | 'version' | 'member_count' | 'create_time' | 'update_time'>
  >
  readonly added: readonly number[]
  readonly removed: readonly number[]
  readonly roles: readonly { readonly user_id: number; readonly role: number }[]
  readonly muted: { readonly members: readonly number[]; readonly until: number } | undefined
  /** Others who are asked at the same time. */
  readonly joins: readonly JoinChange[]
}

export interface Refusal {
  readonly code: CIM.Def.CIMErrorCode
  readonly reason: string
}

/** `nothing`: it is already so. `asked`: nobody joins yet, so it is no change of the group and has no number. */
export type Verdict =
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'asked'; readonly joins: readonly JoinChange[] }
  | { readonly kind: 'planned'; readonly plan: GroupPlan }

export interface GroupRequest {
  /** Of its NOTIFICATION: the same for each repetition of the request, and for no other. */
  readonly msg_id: string
  /** Of what is asked: an Idempotency-Key that is used again for something else is refused. */
  readonly digest: Uint8Array
  /** Undefined: a new group, of this owner. */
  readonly group_id: number | undefined
  readonly owner_id: number | undefined
  /** Who acts; undefined for an app server. */
  readonly operator: number | undefined
  /** Users whose memberships and names `judge` needs. */
  readonly named: readonly number[]
  /** ms: what nobody answers is void this long after it was asked. */
  readonly joinExpires_ms: number
  readonly msg_seq: number
  readonly client_type: number
  /** Pure: may be called again. */
  readonly judge: (state: GroupState) => Verdict
}

/** The message of a change that was made, as its readers get it. */
export interface StoredNotification {
  readonly from_user_id: number
  readonly to_session_id: number
  readonly msg_id: string
  readonly server_msg_id: number
  readonly msg_type: number
  readonly msg_data: Uint8Array
  readonly attach: null
  readonly mention: readonly number[]
  readonly stored_time: number
}

/** Applications and invitations that a request opened or refused, and who hears of the applications. */
export interface JoinNews {
  readonly requests: readonly JoinRequest[]
  /** The owner too. */
  readonly admins: readonly number[]
}

interface KnownGroup {
  readonly group: Group
  /** After the change; of a disbanded group those that it had. */
  readonly members: readonly number[]
}

/** What became of a request. */
export type GroupOutcome =
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'key-reused' }
  | ({ readonly kind: 'nothing' } & KnownGroup)
  | ({ readonly kind: 'asked'; readonly joins: JoinNews } & KnownGroup)
  | ({
      readonly kind: 'changed'
      readonly notification: StoredNotification
      readonly joins: JoinNews
    } & KnownGroup)

export interface GroupChanges {
  /**
   * Judges and makes each change in a transaction of its own, under the lock of the group's conversation, once per
   * msg_id: a repetition is answered from the message that is stored. One answer per request, in order.
   */
  apply(requests: readonly GroupRequest[]): Promise<readonly GroupOutcome[]>
}

/** A page of a list, by id. */
export interface PageAsked {
  readonly after: number
  /** Undefined: all. */
  readonly limit: number | undefined
}

/** A page of one group's members, or of who may become one. */
export interface MembersAsked extends PageAsked {
  readonly group_id: number
}

export interface GroupDirectory {
  /** The groups that a user is a member of now, by id; none that is disbanded. */
  ofUser(user_id: number): Promise<readonly { readonly group_id: number; readonly version: number }[]>
  /** Groups by id, disbanded ones too; unknown ones are absent. With `memberOf` only those of this user. */
  of(groupIds: readonly number[], memberOf?: number): Promise<readonly Group[]>
  members(asked: MembersAsked): Promise<readonly Member[]>
  /** What is open in a group, by the user who is to join. */
  joinsOfGroup(asked: MembersAsked): Promise<readonly JoinRequest[]>
  /** What a user has asked for or is asked, by group; what was refused too, until it expires. */
  joinsOfUser(asked: PageAsked & { readonly user_id: number }): Promise<readonly JoinRequest[]>
  /** A user's membership now. */
  member(group_id: number, user_id: number): Promise<Member | undefined>
}
