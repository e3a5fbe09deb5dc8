/** What users pull: session lists and messages. Types only; infra/postgres implements them. Every call is one round trip. */

/** A user who asks, and the other side of the pair. */
export interface PairAsked {
  readonly user_id: number
  readonly peer_id: number
}

export interface PageAsked extends PairAsked {
  /** Only messages with a lower number. */
  readonly before: number
  readonly limit: number
}

export interface ByIdAsked extends PairAsked {
  readonly msg_ids: readonly string[]
}

/** One message as one of its two users has it. */
export interface MessageCopy {
  readonly server_msg_id: number
  readonly msg_id: string
  readonly from_user_id: number
  readonly to_user_id: number
  readonly msg_type: number
  readonly msg_data: Uint8Array
  readonly attach: string | null
  readonly client_type: number
  /** ms */
  readonly stored_time: number
  /** One's own: the peer has read it. The peer's: this user has. */
  readonly read: boolean
}

export interface LatestMessage {
  readonly msg_id: string
  readonly server_msg_id: number
}

/** Messages of pairs; a pair that never talked has none. One answer per question, in order. */
export interface MessageHistory {
  /** The newest `limit` below `before`, in rising order. */
  pages(asked: readonly PageAsked[]): Promise<readonly (readonly MessageCopy[])[]>
  latest(asked: readonly PairAsked[]): Promise<readonly (LatestMessage | undefined)[]>
  /** Every match in rising order: both users may have used one msg_id. */
  byIds(asked: readonly ByIdAsked[]): Promise<readonly (readonly MessageCopy[])[]>
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
