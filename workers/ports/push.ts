/**
 * Offline push: whom to notify, the ledger that keeps it to once, and the providers. Types only; infra/postgres
 * and infra/push implement them. Times in ms.
 */
import type { DeviceName } from '../../schemas/ids.js'

/** One message on one device: at most one notification (spec 2, "Offline push"). */
export interface PushKey {
  readonly reader_user_id: number
  readonly device: DeviceName
  readonly from_user_id: number
  /** The sender's. */
  readonly msg_id: string
}

/** A device's token at one provider. */
export interface PushAddress {
  readonly provider: string
  readonly token: string
}

/** What is known of the device of a key. */
export interface PushTarget {
  readonly logged_out: boolean
  /** In the order in which they are tried. */
  readonly addresses: readonly PushAddress[]
  /** The ledger has an outcome: it was notified, given up or suppressed. */
  readonly settled: boolean
  /** Exact, over the reader's sessions that are not deleted. */
  readonly unread_total: number
}

/** An address that its provider called dead. */
export interface DeadToken extends PushAddress {
  /** ms: what was registered later is another installation, and lives. */
  readonly since?: number
}

export interface DeadAddress extends DeadToken {
  readonly user_id: number
  readonly device: DeviceName
}

export interface PushTargets {
  /** One per key, in order; one round trip. */
  of(keys: readonly PushKey[]): Promise<readonly PushTarget[]>
  /** Removes tokens that their provider called dead. */
  remove(dead: readonly DeadAddress[]): Promise<void>
}

export interface PushOpening extends PushKey {
  /** Why it was triggered. */
  readonly reason: string
}

export interface GroupNames {
  /** Of those that exist. */
  of(groupIds: readonly number[]): Promise<ReadonlyMap<number, string>>
}

export type PushState = 'sent' | 'failed' | 'suppressed'

export interface PushOutcome extends PushKey {
  readonly state: PushState
  readonly provider: string | null
  /** The provider's, or why there was no notification. */
  readonly answer: string
  readonly attempts: number
}

export interface PushLedger {
  /**
   * Commits a pending row for each, before any provider is called. Answers its notification id, in order: the
   * same one as before for a row that was left pending; undefined where the outcome is known. Keys differ.
   */
  open(openings: readonly PushOpening[]): Promise<readonly (string | undefined)[]>
  /** Outcomes of pending rows. */
  settle(outcomes: readonly PushOutcome[]): Promise<void>
}

/** What a device is to show. */
export interface Notification {
  /** The same at each attempt, so that the provider shows it once. */
  readonly notification_id: string
  readonly user_id: number
  readonly device: DeviceName
  readonly title: string
  readonly body: string
  /** Unread messages in all. */
  readonly badge: number
  /** A newer notification with the same key replaces this one. */
  readonly collapse_key: string
  readonly from_user_id: number
  /** The session as the reader lists it. */
  readonly session_id: number
  readonly msg_id: string
  readonly server_msg_id: number
  readonly time: number
  /** ms: of no use to a device that comes back later. */
  readonly expires: number
}

export type ProviderAnswer =
  | { readonly kind: 'accepted'; readonly answer: string }
  /** Will never be accepted; the device's next address may be. */
  | {
      readonly kind: 'refused'
      readonly answer: string
      readonly tokenIsDead: boolean
      /** ms, where the provider says since when. */
      readonly deadSince?: number
    }
  /** May have been accepted: only the same notification may be tried again. */
  | { readonly kind: 'unknown'; readonly answer: string; readonly retryAfter_ms?: number }

/** One way to reach devices. */
export interface PushProvider {
  readonly name: string
  /** False: it works for a device without a token too. */
  readonly needsToken: boolean
  /** One attempt, over after `timeout_ms`. Never rejects. */
  send(
    notification: Notification,
    address: PushAddress | undefined,
    timeout_ms: number,
  ): Promise<ProviderAnswer>
}

export interface Notified {
  readonly state: 'sent' | 'failed'
  readonly provider: string | null
  readonly answer: string
  readonly attempts: number
  readonly dead: readonly DeadToken[]
}

export interface Notifier {
  /** Tries the device's addresses in order. Over within 10 s each; never rejects. */
  notify(notification: Notification, addresses: readonly PushAddress[]): Promise<Notified>
}
