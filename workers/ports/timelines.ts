/** A user's timeline over all their sessions. Types only; infra/postgres implements them. */
import type { MessageCopy } from './queries.js'

export interface SyncAsked {
  readonly user_id: number
  /** Only what comes after it; 0: from the beginning. */
  readonly cursor: number
  readonly limit: number
}

export interface TimelinePage {
  /** In the order of their cursors; within one conversation in rising order. At most `limit`. */
  readonly messages: readonly MessageCopy[]
  /** Of the last message, or where the timeline ends. Never below the cursor that was asked. */
  readonly next_cursor: number
  readonly has_more: boolean
}

export interface Timelines {
  /**
   * Puts what is new into the timelines of who is near their end, and reads one page per question, in order.
   * A cursor that was given out stays where it is: whatever is stored later comes after it.
   */
  pages(asked: readonly SyncAsked[]): Promise<readonly TimelinePage[]>
}
