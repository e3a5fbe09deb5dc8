/** Users and their devices, as workers need them. Types only; infra/postgres implements them. Times in ms. */
import type { DeviceName } from '../../schemas/ids.js'

export interface User {
  readonly user_id: number
  readonly nick_name: string
  readonly avatar_url: string | null
  readonly attach_info: string | null
  readonly token_version: number
  readonly active: boolean
  readonly created: number
  readonly updated: number
}

export interface UserDirectory {
  /** Users by id; unknown ones are absent. */
  of(userIds: readonly number[]): Promise<ReadonlyMap<number, User>>
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

/** Signs and checks user tokens (spec 2, "Login" 1). */
export interface TokenSigner {
  sign(userId: number, version: number): string
  /** The user and version that the token was signed for, or undefined. Constant time. */
  verify(token: string): { readonly user_id: number; readonly version: number } | undefined
}
