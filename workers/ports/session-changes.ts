/** What users set for their sessions. Types only; infra/postgres implements them. */

/** One change; a setting that is undefined stays, an empty text is removed. */
export interface SessionChange {
  readonly user_id: number
  readonly session_type: number
  /** The other user, or the group. */
  readonly session_id: number
  readonly pinned: boolean | undefined
  readonly muted: boolean | undefined
  /** 1: deleted, until the next message. */
  readonly session_status: number | undefined
  readonly draft: string | undefined
  readonly extend_data: string | undefined
  /** Of the record that asks for it: ms, the broker's clock. */
  readonly appended: number
  readonly offset: number
}

/** All settings of a session. */
export interface SessionSettings {
  readonly session_status: number
  readonly pinned: boolean
  readonly muted: boolean
  readonly draft: string | null
  readonly extend_data: string | null
  readonly updated_s: number
}

export interface SessionChanges {
  /**
   * Applies a batch in its order, in one transaction; answers the settings after each, undefined where there is no
   * such session. A record that comes again changes nothing. Throws when the database is ill.
   */
  apply(changes: readonly SessionChange[]): Promise<readonly (SessionSettings | undefined)[]>
}
