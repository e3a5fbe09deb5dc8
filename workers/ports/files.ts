/** Files, as workers need them. Types only; infra/postgres implements them. Times in ms. */
import type { AnsweredFile } from '../../schemas/files.js'

export type StoredFile = AnsweredFile

/** Names an upload: an id that was made for it, and the call's Idempotency-Key where it has one. */
export interface Reservation {
  readonly file_id: string
  readonly user_id: number
  readonly key: string | undefined
  /** Announced, bytes. */
  readonly size?: number | undefined
  readonly time: number
}

/**
 * What a key's earlier call left is given again: its id, and the file where it got that far. quota-used: with this file
 * and those on their way the user would have uploaded more than may be within 24 hours.
 */
export type Reserved =
  | { readonly file_id: string; readonly file?: StoredFile }
  | 'no-such-user'
  | 'quota-used'

export interface FileDirectory {
  /** One per question, in order: undefined where there is no such file, or this user may not see it. */
  look(
    asked: readonly { readonly file_id: string; readonly user_id?: number | undefined }[],
  ): Promise<readonly (StoredFile | undefined)[]>
}

export interface FileChanges {
  /** Its size counts from now on, until the file is kept, released, or may no longer be under way. */
  reserve(reservation: Reservation): Promise<Reserved>
  /** The upload failed: what was reserved for it is free again. */
  release(reservation: Pick<Reservation, 'file_id' | 'user_id'>): Promise<void>
  /** Undefined where it was not reserved by this user, or was given up. The first description stays. */
  keep(file: Omit<StoredFile, 'created'>, time: number): Promise<StoredFile | undefined>
}

/** A stored message that names a file. */
export interface FileMention {
  readonly file_id: string
  readonly from_user_id: number
  readonly to_session_id: number
  readonly server_msg_id: number
}

export interface FileMentions {
  /**
   * Remembers, in this order, which messages name which files, and whether they pass them on: those whose sender could
   * see the file then. A mention that is known stays as it was judged.
   */
  record(mentions: readonly FileMention[]): Promise<void>
}

export interface UnusedFiles {
  /** Takes files that were uploaded before then and that no message passes on; nobody sees them any more. */
  take(before: number, limit: number): Promise<readonly string[]>
  /** Their bytes are gone. */
  forget(fileIds: readonly string[]): Promise<void>
}

/** The bytes of files, as far as workers touch them. infra/files implements it. */
export interface FileBytes {
  /** Removes what is there of these files, thumbnails and half-written copies too. */
  remove(fileIds: readonly string[]): Promise<void>
  close(): void
}
