/** What workers need of the message tables. Types only; infra/postgres implements them. */

/** A message to be numbered and stored. Times in ms. */
export interface NewMessage {
  readonly from_user_id: number
  /** A user, or a group. */
  readonly to_session_id: number
  readonly msg_id: string
  readonly conversation: string
  readonly msg_type: number
  readonly msg_data: Uint8Array
  readonly attach: string | null
  readonly mention: readonly number[]
  /** What the sender sent, where a webhook has changed it: repeats are compared with that. */
  readonly sent?: Pick<NewMessage, 'msg_data' | 'attach' | 'mention'> | undefined
  readonly msg_seq: number
  readonly client_type: number
}

/** What became of it. */
export interface StoredMessage {
  /**
   * CIMResCode: 0 stored or a repeat of the same, 1 the msg_id names another message, 9 no such user,
   * 3 the receiver has blocked the sender, 8 they are no friends and have to be;
   * 2 no such group, 4 not its member, 5 muted.
   */
  readonly res_code: number
  /** 0 when refused. */
  readonly server_msg_id: number
  /** ms, of the first time; 0 when refused. */
  readonly stored_time: number
  readonly repeated: boolean
}

export interface MessageStore {
  /**
   * Numbers and stores a batch, those to users in one transaction and those to groups in another; one answer per
   * message, in order (I1, I2, I4). Throws when the database is ill: then a repeat finds what was stored.
   */
  store(messages: readonly NewMessage[]): Promise<readonly StoredMessage[]>
}

/** Names one message of a group. */
export interface GroupMessageKey {
  readonly group_id: number
  readonly server_msg_id: number
}

export interface GroupFanout {
  /**
   * Gives each member but the sender a row of each message, and the member's session with it (spec 2, "Group chat" 3).
   * Answers the readers of each, in order, those too who had the row before. Idempotent.
   */
  fanOut(messages: readonly GroupMessageKey[]): Promise<readonly (readonly number[])[]>
}

/** One message of a reader, as the delivery check and offline push need it again. */
export interface MessageForReader {
  readonly from_user_id: number
  readonly to_session_id: number
  readonly msg_id: string
  readonly server_msg_id: number
  readonly msg_type: number
  readonly msg_data: Uint8Array
  readonly attach: string | null
  readonly mention: readonly number[]
  readonly stored_time: number
}

/** Names one reader's copy; reader = sender means the sender's other devices. */
export interface CopyKey {
  readonly reader_user_id: number
  readonly from_user_id: number
  readonly msg_id: string
  readonly conversation: string
  readonly server_msg_id: number
}

export interface DeliveryState {
  /** deviceKey of each device that acked, as far as it was flushed. */
  readonly acked_by: readonly string[]
  /** The reader has read up to it or beyond: counts as acked by all. */
  readonly read: boolean
}

export interface DeliveryStates {
  /** One per key, in order; undefined where there is no such row. */
  of(keys: readonly CopyKey[]): Promise<readonly (DeliveryState | undefined)[]>
}

export interface MessageReader {
  /** One per key, in order; undefined where the message is gone. */
  of(keys: readonly CopyKey[]): Promise<readonly (MessageForReader | undefined)[]>
}

export interface AckedCopy {
  readonly reader_user_id: number
  /** deviceKey */
  readonly device: string
  readonly from_user_id: number
  readonly msg_id: string
  /** ms */
  readonly time: number
}

/** A message that reached the first device of a reader, who has not read it yet. */
export interface FirstDelivery {
  readonly conversation: string
  readonly reader_user_id: number
  readonly server_msg_id: number
  /** deviceKey */
  readonly device: string
  /** ms */
  readonly time: number
}

export interface AckStore {
  /**
   * Marks the copies as delivered, only rows that change. Acks of what the user is no reader of change nothing.
   * @param announce is told of first deliveries before they are marked, in the order of the numbers of a conversation;
   * where it rejects nothing is marked, and whoever flushes again tells it again
   */
  flush(
    acks: readonly AckedCopy[],
    announce?: (deliveries: readonly FirstDelivery[]) => Promise<void>,
  ): Promise<void>
}
