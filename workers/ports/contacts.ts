/** Contacts, as workers need them. Types only; infra/postgres implements them. Times in ms. */
import type { Refusal } from './groups.js'

/** What a user has written down about another. */
export interface Relation {
  /** CIMContactState */
  readonly state: number
  readonly blocked: boolean
  readonly remark: string
  /** Of the request for friendship, for both sides. */
  readonly greeting: string
}

/** A row of somebody's list. */
export interface Contact extends Relation {
  /** Whose list it is in. */
  readonly user_id: number
  /** Whom it is about. */
  readonly peer_id: number
  /** In the list of user_id: later changes have larger ones. */
  readonly version: number
  readonly updated: number
  readonly nick_name: string
  readonly avatar_url: string | null
  readonly attach_info: string | null
}

/** What a change is judged by, as it stands under the locks of all lists that it may change. */
export interface ContactsState {
  /** Those of the named users who exist and are active. */
  readonly users: ReadonlySet<number>
  /** What `user` has written down about `peer`. */
  readonly relation: (user: number, peer: number) => Relation
}

export interface RelationChange {
  readonly user_id: number
  readonly peer_id: number
  readonly relation: Relation
}

export type ContactVerdict =
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'planned'; readonly changes: readonly RelationChange[] }

export interface ContactRequest {
  readonly user_id: number
  readonly peers: readonly number[]
  /** The event's: what carries it was done by this request, maybe by an earlier attempt at it. */
  readonly time: number
  /** Pure: may be called again. */
  readonly judge: (state: ContactsState) => ContactVerdict
}

export type ContactOutcome =
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | {
      readonly kind: 'done'
      /** The rows of user_id about the peers, as they are now. */
      readonly contacts: readonly Contact[]
      /** All rows that this request changed, now or before. */
      readonly changed: readonly Contact[]
    }

export interface ContactChanges {
  /** Each in a transaction of its own, in order. Idempotent. Throws when the database is ill. */
  apply(requests: readonly ContactRequest[]): Promise<readonly ContactOutcome[]>
}

export interface ListedUser {
  readonly user_id: number
  readonly nick_name: string
  readonly avatar_url: string | null
  readonly attach_info: string | null
}

export interface ContactDirectory {
  /** Rows with a larger version, in the order of their versions; from 0 without those that mean nothing any more. */
  changedSince(user_id: number, version: number, limit: number): Promise<readonly Contact[]>
  /** Whom the user may write to: friends first; others too where the policy lets strangers write. */
  reachable(user_id: number, limit: number): Promise<readonly ListedUser[]>
}
