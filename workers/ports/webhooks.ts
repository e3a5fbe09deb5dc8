/** Webhooks of the business: asked before a message is stored, told what has happened. Types only. */
import type { Trace } from '../../schemas/tracing.js'

/** A message that is not stored yet. */
export interface Draft {
  readonly from_user_id: number
  readonly to_session_id: number
  readonly conversation: string
  readonly msg_id: string
  readonly msg_type: number
  readonly msg_data: Uint8Array
  readonly attach: string | null
  readonly mention: readonly number[]
  readonly client_type: number
  /** ms, when the gate got it. */
  readonly time: number
  readonly trace?: Trace | undefined
}

export type Verdict =
  | { readonly kind: 'allow' }
  /** CIMResCode that the sender is answered. */
  | { readonly kind: 'refuse'; readonly res_code: number }
  /** What is stored and delivered instead; what is absent stays. */
  | { readonly kind: 'change'; readonly msg_data?: Uint8Array; readonly attach?: string | null }

export interface BeforeSend {
  /**
   * Asks about each, many at once, within one limit for all of them. Never rejects: where no answer comes, the
   * verdict is the one that the settings name for that.
   * @returns one verdict per draft, in order
   */
  judge(drafts: readonly Draft[]): Promise<readonly Verdict[]>
}

/** Something that has happened, on its way to the business. */
export interface WebhookEvent {
  /** A WebhookKind: each may have an address of its own. */
  readonly kind: string
  /** The same whenever it is posted. */
  readonly event_id: string
  /** Order is kept among events of one lane: a conversation, or a user. */
  readonly lane: string
  /** Rising within the lane. */
  readonly position: number
  /** JSON */
  readonly body: string
  readonly trace?: Trace | undefined
}

/** What became of a post. `away`: nothing was posted, since the address takes nothing at present. */
export type Posted =
  | { readonly outcome: 'taken' }
  | { readonly outcome: 'not-taken' | 'away'; readonly reason: string }

export interface EventSink {
  /** Never rejects. */
  post(event: WebhookEvent): Promise<Posted>
  /** Whether events of this kind have an address that takes nothing at present, and is not due to be tried again. */
  isAway(kind: string): boolean
}

/** Names an event on its way. */
export type EventPlace = Pick<WebhookEvent, 'lane' | 'position'>

/** An event that was not taken and is to be tried again. */
export interface WaitingEvent extends EventPlace {
  /** Rounds that it has failed in; 0: it only waits for one before it. */
  readonly rounds: number
}

/** Events that wait, so that none of their lane overtakes them. Empty while all goes well. */
export interface WebhookQueue {
  /**
   * Those of these that wait; and of each of their lanes the first ones that wait, one more than are asked about, so
   * that one of them is left whatever becomes of these.
   */
  waiting(asked: readonly EventPlace[]): Promise<readonly WaitingEvent[]>
  /** In one transaction: these wait from now on, those do no longer. */
  change(keep: readonly WaitingEvent[], drop: readonly EventPlace[]): Promise<void>
}
