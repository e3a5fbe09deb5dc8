/** Who has received and who has read a message. Types only; infra/postgres implements them. */

/** A message by its sender's key. */
export interface ReceiptsAsked {
  readonly user_id: number
  readonly msg_id: string
}

/** The readers of a message, each in one of the three lists, in rising order. */
export interface MessageReceipts {
  /** The user or the group written to. */
  readonly session_id: number
  readonly server_msg_id: number
  readonly read: readonly number[]
  /** A device of theirs has it, and they have not read it. */
  readonly received: readonly number[]
  readonly waiting: readonly number[]
}

export interface Receipts {
  /** One answer per question, in order; undefined where this user wrote no such message. */
  of(asked: readonly ReceiptsAsked[]): Promise<readonly (MessageReceipts | undefined)[]>
}
