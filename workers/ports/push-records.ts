/** What was registered for notifications, and what became of them. Types only; infra/postgres implements them. Times in ms. */
import type { DeviceName } from '../../schemas/ids.js'
import type { PushSettings, PushState } from './push.js'

export interface RegisteredToken {
  readonly device: DeviceName
  readonly provider: string
  readonly token_end: string
  readonly created: number
}

/** A row of the ledger. */
export interface PushRecord {
  readonly notification_id: string
  /** deviceKey */
  readonly device: string
  readonly from_user_id: number
  readonly msg_id: string
  /** null, and the number 0, where they were not kept yet. */
  readonly conversation: string | null
  readonly server_msg_id: number
  readonly state: PushState
  readonly reason: string
  readonly provider: string | null
  readonly answer: string | null
  readonly attempts: number
  readonly created: number
  readonly updated: number
}

/** A device that ever logged in. */
export interface KnownDevice {
  /** deviceKey */
  readonly device: string
  readonly logged_out: boolean
  readonly has_token: boolean
}

/** A message as one reader has it. */
export interface ReaderDelivery {
  readonly reader_user_id: number
  readonly read: boolean
  /** deviceKey of each device that acked, as far as it was flushed. */
  readonly acked_by: readonly string[]
  readonly devices: readonly KnownDevice[]
  readonly notifications: readonly PushRecord[]
}

export interface MessageDeliveries {
  readonly to_session_id: number
  readonly server_msg_id: number
  /** By rising id. */
  readonly readers: readonly ReaderDelivery[]
  readonly hasMore: boolean
}

export interface DeliveriesAsked {
  readonly from_user_id: number
  readonly msg_id: string
  /** Only readers with a higher id. */
  readonly after: number
  readonly limit: number
}

export interface NotificationsAsked {
  readonly user_id: number
  readonly before?: { readonly created: number; readonly notification_id: string } | undefined
  readonly limit: number
}

export interface PushRecords {
  /** In the order in which they are tried, device by device. */
  tokensOf(userId: number): Promise<readonly RegisteredToken[]>
  settingsOf(userId: number): Promise<PushSettings>
  /** Of a message to its readers; undefined where there is none. */
  deliveriesOf(asked: DeliveriesAsked): Promise<MessageDeliveries | undefined>
  /** Newest first. */
  notificationsOf(asked: NotificationsAsked): Promise<readonly PushRecord[]>
}
