/** Read positions. Types only; infra/postgres implements them. */

/** A user has read a conversation up to a message. */
export interface Read {
  readonly user_id: number
  /** The other user, or the group. */
  readonly peer_id: number
  /** The sender's id of the message; counts only where `server_msg_id` is 0. */
  readonly msg_id: string
  /** Decides; 0: the highest number that `msg_id` has in this conversation. */
  readonly server_msg_id: number
  /** ms, when the gate got it. The same time and number again is the same read, repeated. */
  readonly time: number
}

/** What became of a read. */
export interface ReadMark {
  /** This read moved the position, or is a repeat of the one that did; the rest is 0 and '' otherwise. */
  readonly changed: boolean
  readonly server_msg_id: number
  readonly msg_id: string
}

export interface ReadMarks {
  /**
   * Moves the positions of a batch, those of single chats in one transaction and those of groups in one; one answer
   * per read, in order. A position never moves back nor beyond what is stored, or what a membership covers; unread is counted anew under the session's lock (I6); what was read is delivered (I5).
   * Throws when the database is ill.
   */
  mark(reads: readonly Read[]): Promise<readonly ReadMark[]>
}
