/** What users pull: session lists and messages. Types only; infra/postgres implements them. Every call is one round trip, or one for pairs and one for groups. */

/** A user who asks, and whom their session is with: another user, or a group. */
export interface SessionAsked {
  readonly user_id: number
  readonly peer_id: number
}

export interface PageAsked extends SessionAsked {
  /** Only messages with a lower number. */
  readonly before: number
  readonly limit: number
}

export interface ByIdAsked extends SessionAsked {
  readonly msg_ids: readonly string[]
}

/** Instead of an answer: it is about a group that this user never was a member of. */
export type NeverMember = 'never-member'

/** One message as one of those who may see it has it. */
export interface MessageCopy {
  readonly server_msg_id: number
  readonly msg_id: string
  readonly from_user_id: number
  /** The user or the group written to. */
  readonly to_session_id: number
  readonly msg_type: number
  readonly msg_data: Uint8Array
  readonly attach: string | null
  readonly client_type: number
  /** ms */
  readonly stored_time: number
  /** One's own: the peer has read it (never said of a message to a group). Another's: this user has. */
  readonly read: boolean
}

export interface LatestMessage {
  readonly msg_id: string
  readonly server_msg_id: number
}

/**
 * Messages of one session each. A pair that never talked has none; of a group, those that the user's membership
 * covers. One answer per question, in order. Infra's own parts know whether a stranger to a group can ask at all.
 */
export interface MessageHistory<Stranger = NeverMember> {
  /** The newest `limit` below `before`, in rising order. */
  pages(asked: readonly PageAsked[]): Promise<readonly (readonly MessageCopy[] | Stranger)[]>
  latest(asked: readonly SessionAsked[]): Promise<readonly (LatestMessage | undefined | Stranger)[]>
  /** Every match in rising order, as several users may have used one msg_id; of a group the first hundred. */
  byIds(asked: readonly ByIdAsked[]): Promise<readonly (readonly MessageCopy[] | Stranger)[]>
}

/** A message by its sender and the sender's name for it. */
export interface SentAsked {
  readonly user_id: number
  readonly msg_id: string
}

export interface SentMessages {
  /** One per question, in order, as its sender has it; undefined where the user sent no such message. */
  of(asked: readonly SentAsked[]): Promise<readonly (MessageCopy | undefined)[]>
}

export interface SessionsAsked {
  readonly user_id: number
  /** Only sessions that changed at or after this second. */
  readonly changed_since_s: number
  /** Only sessions after this place in the list. */
  readonly after?: { readonly updated_s: number; readonly session_id: number }
  readonly limit: number
}

export interface ListedSession {
  readonly session_id: number
  readonly session_type: number
  readonly session_status: number
  readonly unread: number
  readonly updated_s: number
  readonly extend_data: string | null
  readonly is_robot_session: boolean
  readonly pinned: boolean
  readonly muted: boolean
  readonly draft: string | null
  /** Absent where nothing was said, or is kept. */
  readonly last?: MessageCopy
  readonly last_server_msg_id: number
}

export interface SessionPage {
  /** Over all sessions that are not deleted, listed here or not. */
  readonly unread_total: number
  /** Newest first by (updated_s, session_id), both falling; deleted ones too. */
  readonly sessions: readonly ListedSession[]
}

export interface SessionLists {
  /**
   * One page per question, in order.
   * @param maxContent bytes: a larger last message comes with empty msg_data
   * @param maxPage bytes: so do all from where a page's msg_data would pass this
   */
  pages(asked: readonly SessionsAsked[], maxContent: number, maxPage: number): Promise<readonly SessionPage[]>
}
