/** Settings of sessions: the SessionChanges over im_update_sessions. */
import type { Pool } from 'pg'
import type { SessionChanges, SessionSettings } from '../../workers/ports/session-changes.js'
import { prepared } from './pool.js'
import { settleSessions } from './settlement.js'

/** All null where there is no such session. */
interface SettingsRow {
  pinned: boolean | null
  muted: boolean
  session_status: number
  draft: string | null
  extend_data: string | null
  updated: number
}

const updateSessions = prepared<SettingsRow>(
  'update-sessions',
  `SELECT pinned, muted, session_status, draft, extend_data, updated
     FROM im_update_sessions($1::bigint[], $2::smallint[], $3::bigint[], $4::boolean[], $5::boolean[], $6::smallint[],
                             $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11)`,
)

/** Changes on this pool. Two round trips per batch. */
export const createSessionChanges = (pool: Pool): SessionChanges => ({
  async apply(changes) {
    if (changes.length === 0) return []
    const users = changes.map((change) => change.user_id)
    // What was said before a session is deleted does not bring it back.
    await settleSessions(pool, users)
    const rows = await updateSessions(pool, [
      users,
      changes.map((change) => change.session_type),
      changes.map((change) => change.session_id),
      changes.map((change) => change.pinned ?? null),
      changes.map((change) => change.muted ?? null),
      changes.map((change) => change.session_status ?? null),
      changes.map((change) => change.draft ?? null),
      changes.map((change) => change.extend_data ?? null),
      changes.map((change) => change.appended),
      changes.map((change) => change.offset),
      Date.now(),
    ])
    return rows.map(toSettings)
  },
})

function toSettings({ pinned, updated, ...row }: SettingsRow): SessionSettings | undefined {
  return pinned === null ? undefined : { ...row, pinned, updated_s: Math.floor(updated / 1000) }
}
