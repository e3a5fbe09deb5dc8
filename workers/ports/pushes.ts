/**
 * Pushes of businesses and how far they came with each receiver (spec 3). Types only; infra/postgres and infra/redis
 * implement them. Times in ms.
 */

/** What becomes of a push for who is offline. */
export type OfflineRule = 'drop' | 'store' | 'notify'

export interface StoredPush {
  readonly push_id: string
  readonly push_type: string
  readonly payload: Uint8Array
  readonly offline: OfflineRule
  readonly title: string | null
  readonly body: string | null
  readonly created: number
  readonly expires: number
}

export interface PushOpening extends StoredPush {
  /** partition:offset of the record that asks. */
  readonly place: string
  /** Of what is asked. */
  readonly digest: string
  /** Receivers that do not exist, and why. */
  readonly rejected: readonly { readonly user_id: number; readonly reason: string }[]
}

/** opened: by this very record, now or before; repeated: by another with the same content; taken: with another. */
export type PushOpened = 'opened' | 'repeated' | 'taken'

/** open: sent, or about to be. The others are how it ended; a stored one may still be acked or expire. */
export type ReceiverState =
  | 'open'
  | 'stored'
  | 'acked'
  | 'dropped_offline'
  | 'notified'
  | 'expired'
  | 'rejected'

export interface PushReceiver {
  readonly push_id: string
  readonly user_id: number
}

export interface ReceiverChange extends PushReceiver {
  readonly state: ReceiverState
  readonly reason?: string | undefined
  readonly expires: number
}

/** One step with one device. */
export interface ReceiverStep extends PushReceiver {
  readonly step: 'written' | 'acked'
  /** deviceKey */
  readonly device: string
  readonly time: number
}

export interface ReceiverStatus extends PushReceiver {
  readonly state: ReceiverState
  readonly reason: string | null
  readonly sent_at: number | null
  readonly acked_at: number | null
}

/** `sent`: it went out to who was online when it was asked for. */
export interface WaitingPush extends StoredPush {
  readonly sent: boolean
}

export interface Pushes {
  /** Stores what was asked for; one answer each, in order. */
  open(openings: readonly PushOpening[]): Promise<readonly PushOpened[]>
  /** Those that are kept. */
  of(pushIds: readonly string[]): Promise<ReadonlyMap<string, StoredPush>>
  /** Adds receivers; of those that are there already the state stays. Answers the state of each, in order. */
  address(receivers: readonly ReceiverChange[]): Promise<readonly ReceiverState[]>
  /** Of these the ones that are open. */
  openOf(receivers: readonly PushReceiver[]): Promise<readonly PushReceiver[]>
  /** Ends those that are open. Answers for each, in order, whether it has that state now. */
  settle(receivers: readonly ReceiverChange[]): Promise<readonly boolean[]>
  /** Answers for each step, in order, whether it is the user's first of that push. */
  reached(steps: readonly ReceiverStep[]): Promise<readonly boolean[]>
  /** What waits for these users at `now`, oldest first, at most so many bytes of payload each. */
  waiting(
    userIds: readonly number[],
    now: number,
    bytes: number,
  ): Promise<ReadonlyMap<number, readonly WaitingPush[]>>
}

/** What a business asks about a push. */
export interface PushStatuses {
  /** Receivers after this user, by their ids; undefined: no such push. */
  of(
    push_id: string,
    after: number,
    limit: number,
  ): Promise<{ readonly push: StoredPush; readonly receivers: readonly ReceiverStatus[] } | undefined>
}

/** For the sweep. */
export interface PushAging {
  /** Stored receivers whose time is over at `now`. */
  overdue(now: number, limit: number): Promise<readonly PushReceiver[]>
  /** Marks them as expired. */
  expire(receivers: readonly PushReceiver[], now: number): Promise<void>
}

export interface Everyone {
  readonly users: readonly number[]
  /** The ids of their gates, and of some that ended a while ago. */
  readonly gates: readonly string[]
}

export interface OnlineUsers {
  /** Everyone with a device that is connected, or was a moment ago. */
  all(): Promise<Everyone>
}
