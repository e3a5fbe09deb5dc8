/** What the removal by age needs of the database. Times in ms. */

/** A walk over all conversations, or all users, which goes on in the next run where this one ended. */
export type Walk = 'conversations' | 'users'

export interface WalkState {
  /** The last one that was looked at; '' at the beginning, and at the end. */
  readonly position: string
  readonly begun: number
}

/** One page of a walk. */
export interface ConversationPage {
  /** Their oldest message may be older. */
  readonly due: readonly string[]
  /** Of the page; undefined: there is none after that. */
  readonly last: string | undefined
}

export interface Retention {
  /** undefined: it never began. */
  walk(walk: Walk): Promise<WalkState | undefined>
  noteWalk(walk: Walk, state: WalkState): Promise<void>
  /** Some conversations after this one. */
  conversations(after: string, before: number): Promise<ConversationPage>
  /** Removes messages of a conversation from its beginning on, as far as they were stored before then. */
  removeMessages(
    conversation: string,
    before: number,
  ): Promise<{ readonly removed: number; readonly more: boolean }>
  /** Some users after this one. */
  users(after: number): Promise<readonly number[]>
  /** Removes parts of the users' timelines that hold no message any more. Answers how many rows. */
  removeEmptySpans(users: readonly number[]): Promise<number>
  /** Removes rows of group messages that these users have read, some at a time. Answers how many; 0: there are no more. */
  removeDeliveries(users: readonly number[], before: number): Promise<number>
  /** Removes what the users' devices acked of large groups, where that was read since, or is gone. Answers how many rows. */
  removeGroupAcks(users: readonly number[]): Promise<number>
  /** Removes notifications to the users from the ledger, some at a time. Answers how many; 0: there are no more. */
  removeLedger(users: readonly number[], before: number): Promise<number>
  /** Removes devices that have not logged in since, with their push tokens. A token that is younger keeps its device. */
  removeDevices(
    users: readonly number[],
    before: number,
  ): Promise<{ readonly devices: number; readonly tokens: number }>
  /** Removes pushes and their receivers, some at a time. Answers how many rows; 0: there are no more. */
  removePushes(before: number): Promise<number>
  /** Removes events that wait for a webhook and whose record is gone, some at a time. Answers how many. */
  removeWaitingEvents(): Promise<number>
}
