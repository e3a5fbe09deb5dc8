/**
 * Offline push: whom to notify, the ledger that keeps it to once, and the providers. Types only; infra/postgres
 * and infra/push implement them. Times in ms.
 */
import type { DeviceName } from '../../schemas/ids.js'
import type { Trace } from '../../schemas/tracing.js'

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

/** A message on a device, as it is about to be notified. */
export interface PushAsked extends PushKey {
  readonly conversation: string
  readonly server_msg_id: number
  /** How often it was tried before. */
  readonly round: number
}

/** Hours of a day in which a user is not to be disturbed, in minutes from midnight; where they are equal, always. */
export interface QuietHours {
  readonly from: number
  readonly to: number
  /** IANA: Europe/Berlin */
  readonly time_zone: string
}

/** What a user wants of notifications. */
export interface PushSettings {
  readonly quiet: QuietHours | null
  /** Messages that mention the user are shown in quiet hours and of muted conversations too. */
  readonly mentions: boolean
  /** Shows what was written, where PUSH_PREVIEW allows it. */
  readonly preview: boolean
}

/** What is known of the device of a key. */
export interface PushTarget {
  readonly logged_out: boolean
  /** The user may log in. */
  readonly active: boolean
  /** The reader has muted the conversation. */
  readonly muted: boolean
  readonly settings: PushSettings
  /** A newer message of the conversation was shown there, and would be replaced. */
  readonly superseded: boolean
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
  of(asked: readonly PushAsked[]): Promise<readonly PushTarget[]>
  /** Removes tokens that their provider called dead. */
  remove(dead: readonly DeadAddress[]): Promise<void>
}

export interface PushOpening extends PushAsked {
  /** Why it was triggered. */
  readonly reason: string
}

export interface GroupNames {
  /** Of those that exist. */
  of(groupIds: readonly number[]): Promise<ReadonlyMap<number, string>>
}

/** A row that is open: what is tried now. */
export interface OpenPush {
  readonly notification_id: string
  /** How often it was tried: more often than was asked where another worker got further. */
  readonly round: number
  /** Where it was left the last time. */
  readonly provider: string | null
}

/** Pending: another round follows. Refused: by every provider. Failed: given up without an answer. */
export type PushState = 'pending' | 'sent' | 'refused' | 'failed' | 'suppressed'

export interface PushOutcome extends PushKey {
  readonly state: PushState
  /** The round that is over. */
  readonly round: number
  /** The provider of the device's token; null leaves what was there. */
  readonly provider: string | null
  /** The provider's, or why there was no notification. */
  readonly answer: string
  /** Calls of providers in this round. */
  readonly attempts: number
}

export interface PushLedger {
  /**
   * Commits a pending row for each, before any provider is called. Answers it, in order, with the same id as before
   * where it was left pending; undefined where the outcome is known. What was given up is opened again for the round
   * in which it was. Keys differ.
   */
  open(openings: readonly PushOpening[]): Promise<readonly (OpenPush | undefined)[]>
  /** Outcomes of rounds of pending rows. */
  settle(outcomes: readonly PushOutcome[]): Promise<void>
}

export interface PushRates {
  /** Whether each device may be shown one more now, in order; counts it. */
  take(
    devices: readonly { readonly user_id: number; readonly device: DeviceName }[],
  ): Promise<readonly boolean[]>
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
  readonly trace?: Trace | undefined
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
  readonly outcome: 'sent' | 'refused' | 'unknown'
  /** As the device's token names it; the default one's own name where there is no token, null where that needs one. */
  readonly provider: string | null
  readonly answer: string
  /** Calls of providers. */
  readonly attempts: number
  /** Of an unknown outcome: the pause that the provider asks for. */
  readonly retryAfter_ms?: number
  readonly dead: readonly DeadToken[]
}

export interface Notifier {
  /**
   * Tries the device's addresses in order, the next one where one refuses. Over within 10 s each; never rejects.
   * @param from the provider that the last round was left at: those before it have refused
   */
  notify(
    notification: Notification,
    addresses: readonly PushAddress[],
    from?: string | null,
  ): Promise<Notified>
}
