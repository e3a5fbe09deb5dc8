/** A page of the session list, as large as an answer may be (spec 2, "Pulling"). */
import { CIM } from '../../proto/index.js'
import type { ListedSession } from '../ports/queries.js'
import { statusOf } from './message-info.js'

type Info = CIM.Def.ICIMContactSessionInfo

const { CIMContactSessionInfo, CIMMsgType, CIMMessageStatus } = CIM.Def

/** Of one session in the list: its tag and a length of up to four bytes. */
const envelope_bytes = 5
/** The least that a session takes: no page holds more of them than its bytes divided by this. */
export const smallestSession_bytes = 32

/** What fits, newest first. */
export interface FittedSessions {
  readonly list: readonly Info[]
  /** The oldest did not fit, even without their content. */
  readonly cut: boolean
}

/**
 * Where the whole would be larger than `budget_bytes`, the oldest sessions come without msg_data, attach,
 * extend_data and draft; if even that is too much, only the newest that fit.
 */
export function fitSessions(
  user_id: number,
  sessions: readonly ListedSession[],
  budget_bytes: number,
): FittedSessions {
  const full = sessions.map((session) => fullInfo(user_id, session))
  const fullSizes = full.map(sizeOf)
  if (sum(fullSizes) <= budget_bytes) return { list: full, cut: false }

  const bare = sessions.map((session) => bareInfo(user_id, session))
  const bareSizes = bare.map(sizeOf)
  let free_bytes = budget_bytes - sum(bareSizes)
  if (free_bytes < 0) return { list: bare.slice(0, countThatFit(bareSizes, budget_bytes)), cut: true }

  const whole = fullSizes.findIndex((size, at) => {
    free_bytes -= size - (bareSizes[at] ?? 0)
    return free_bytes < 0
  })
  return { list: [...full.slice(0, whole), ...bare.slice(whole)], cut: false }
}

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0)

function countThatFit(sizes: readonly number[], budget_bytes: number): number {
  let used_bytes = 0
  const count = sizes.findIndex((size) => {
    used_bytes += size
    return used_bytes > budget_bytes
  })
  return count < 0 ? sizes.length : count
}

const sizeOf = (info: Info): number => CIMContactSessionInfo.encode(info).len + envelope_bytes

const nothing = new Uint8Array(0)

/** Without what may be large. A session without a message has defaults (spec 1, "Times and states"). */
function bareInfo(user_id: number, session: ListedSession): Info {
  const { last } = session
  return {
    session_id: session.session_id,
    session_type: session.session_type,
    session_status: session.session_status,
    unread_cnt: session.unread,
    updated_time: session.updated_s,
    msg_id: last?.msg_id ?? '',
    msg_time_stamp: last?.stored_time ?? 0,
    msg_data: nothing,
    msg_type: last?.msg_type ?? CIMMsgType.kCIM_MSG_TYPE_TIPS,
    msg_from_user_id: last?.from_user_id ?? 0,
    msg_status: last ? statusOf(user_id, last) : CIMMessageStatus.kCIM_MESSAGE_STATUS_NONE,
    is_robot_session: session.is_robot_session,
    server_msg_id: session.last_server_msg_id,
    ...(session.pinned ? { is_pinned: true } : {}),
    ...(session.muted ? { is_muted: true } : {}),
  }
}

const fullInfo = (user_id: number, session: ListedSession): Info => ({
  ...bareInfo(user_id, session),
  msg_data: session.last?.msg_data ?? nothing,
  ...(session.last?.attach ? { msg_attach: session.last.attach } : {}),
  ...(session.extend_data ? { extend_data: session.extend_data } : {}),
  ...(session.draft ? { draft: session.draft } : {}),
})
