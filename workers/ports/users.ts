/** Users and their devices, as workers need them. Types only; infra/postgres implements them. Times in ms. */
import type { DeviceName } from '../../schemas/ids.js'
import type { PresentDevice } from './presence.js'
import type { PushSettings } from './push.js'

export type { TokenSigner } from '../../schemas/tokens.js'

export interface User {
  readonly user_id: number
  readonly nick_name: string
  readonly avatar_url: string | null
  readonly attach_info: string | null
  readonly token_version: number
  readonly active: boolean
  /** Where messages to it are posted; its secret is read by whoever posts. */
  readonly robot_webhook?: string | null
  readonly created: number
  readonly updated: number
}

export interface UserDirectory {
  /** Users by id; unknown ones are absent. */
  of(userIds: readonly number[]): Promise<ReadonlyMap<number, User>>
}

/** Senders' names for delivered messages: none at all unless SEND_NICK_NAME is set. */
export interface NickNames {
  of(userIds: readonly number[]): Promise<ReadonlyMap<number, string>>
}

/** What a login leaves behind: the device is known, and a nick name that differs updates the user's. */
export interface LoginTrace {
  readonly user_id: number
  readonly device: DeviceName
  readonly nick_name: string
  readonly time: number
}

export interface DeviceStore {
  loggedIn(logins: readonly LoginTrace[]): Promise<void>
  loggedOut(logouts: readonly { readonly user_id: number; readonly device: DeviceName }[]): Promise<void>
}

/** How a change of a user is told from its repetition: by the bus, by a worker, or by the app server. */
export interface ChangeRequest {
  /** The app server's Idempotency-Key, else the HTTP request itself. */
  readonly key: string
  /** Of what is asked: a key that is used again for something else is refused. */
  readonly digest: string
  readonly time: number
}

/** null clears a field, undefined leaves it. */
export interface ProfileChange {
  readonly nick_name?: string | undefined
  readonly avatar_url?: string | null | undefined
  readonly attach_info?: string | null | undefined
  readonly robot?: { readonly webhook: string; readonly secret: string } | null | undefined
}

export interface NewUser extends ProfileChange {
  readonly user_id: number
  readonly nick_name: string
}

/** Where a device can be notified. */
export interface PushToken {
  readonly user_id: number
  readonly device: DeviceName
  readonly provider: string
  readonly token: string
}

/** Which tokens of a user; undefined: whatever it is. */
export interface PushTokenFilter {
  readonly client_type?: number | undefined
  readonly device_id?: string | undefined
  readonly provider?: string | undefined
}

export type UserChange =
  | { readonly kind: 'create'; readonly users: readonly NewUser[] }
  | { readonly kind: 'update'; readonly user_id: number; readonly profile: ProfileChange }
  | { readonly kind: 'deactivate'; readonly user_id: number }
  | { readonly kind: 'rotate-token'; readonly user_id: number }
  /** Changes no row: recorded, so that a repetition kicks the same devices again and no later ones. */
  | { readonly kind: 'kick'; readonly user_id: number }
  /** Whoever had this token at this provider before has it no more: the installation changed hands. */
  | { readonly kind: 'set-push-token'; readonly push: PushToken }
  | { readonly kind: 'delete-push-tokens'; readonly user_id: number; readonly which: PushTokenFilter }
  | { readonly kind: 'set-push-settings'; readonly user_id: number; readonly settings: PushSettings }

/** What became of a change: the same answer for each repetition. */
export interface ChangeResult {
  readonly kind: 'done' | 'key-reused'
  /** As they are after it; those that a `create` found already there, or others that do not exist, are absent. */
  readonly users: readonly User[]
  /** The logins that the first attempt set out to close; undefined where none got that far. */
  readonly kicked?: readonly PresentDevice[]
}

export interface UserChanges {
  /** All in one transaction, each once per request key; one answer each, in order. */
  apply(
    changes: readonly { readonly request: ChangeRequest; readonly change: UserChange }[],
  ): Promise<readonly ChangeResult[]>
  /** Remembers which logins a request closes, before they are closed. */
  recordKicks(
    kicks: readonly { readonly key: string; readonly kicked: readonly PresentDevice[] }[],
  ): Promise<void>
}

/** Who has a phone is cached (PhoneDirectory): forget it when that has changed. */
export interface PhoneCache {
  forget(userIds: readonly number[]): Promise<void>
}
