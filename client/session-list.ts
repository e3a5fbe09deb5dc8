/** The user's sessions with exact unread counts, kept current by what arrives. Pure. */
import {
  type CIMContactSessionInfo,
  type CIMRecentContactSessionRsp,
  type MessageStatus,
  MsgType,
  SessionStatusType,
  type SessionType,
} from './gen/protocol.js'
import type { ChatMessage } from './messages.js'

/** A session with its newest message. Times in ms; 0 and empty where there is no message yet. */
export interface Session {
  readonly session_id: number
  readonly session_type: SessionType
  readonly unread: number
  readonly server_msg_id: number
  readonly msg_id: string
  readonly from_user_id: number
  readonly create_time: number
  readonly msg_type: MsgType
  readonly msg_data: Uint8Array
  /** RECEIPT: the newest message is one's own, and its reader has read it. */
  readonly msg_status?: MessageStatus | undefined
}

export interface SessionList {
  /** A page of the server's answer: its rows replace ours. */
  load(page: CIMRecentContactSessionRsp): void
  /** A message that was shown. */
  saw(message: ChatMessage, me: number): void
  /** This user has read up to this number. False: how many are left only the server can say. */
  read(session_id: number, upTo: number): boolean
  /** Newest first. */
  all(): readonly Session[]
  /** Seconds: from when on to ask the server again; 0 before the first answer. */
  since(): number
}

/** The server's clock is in seconds and its rows are written by many: ask again from a little before. */
const overlap_s = 10

function row(info: CIMContactSessionInfo): Session {
  const { session_id, session_type, msg_id, msg_data, msg_type, msg_status } = info
  return {
    ...{ session_id, session_type, msg_id, msg_data, msg_type, msg_status },
    unread: info.unread_cnt,
    server_msg_id: info.server_msg_id ?? 0,
    from_user_id: info.msg_from_user_id,
    create_time: info.msg_time_stamp,
  }
}

/** No session yet. */
export function createSessionList(): SessionList {
  const rows = new Map<number, Session>()
  let server_time = 0
  return {
    load({ contact_session_list, server_time: told }) {
      server_time = told ?? server_time
      for (const info of contact_session_list) {
        // What was shown since the server wrote its answer stays.
        const newest = rows.get(info.session_id)?.server_msg_id ?? 0
        if (info.session_status === SessionStatusType.DELETE) rows.delete(info.session_id)
        else if ((info.server_msg_id ?? 0) >= newest) rows.set(info.session_id, row(info))
      }
    },
    saw(message, me) {
      const { session_id, session_type, server_msg_id, msg_id, from_user_id, create_time } = message
      const { msg_type, msg_data, msg_status } = message
      const before = rows.get(session_id)
      if (before !== undefined && server_msg_id <= before.server_msg_id) return
      const counts = from_user_id !== me && msg_type !== MsgType.NOTIFICATION
      rows.set(session_id, {
        ...{ session_id, session_type, server_msg_id, msg_id, from_user_id, create_time },
        ...{ msg_type, msg_data, msg_status },
        unread: (before?.unread ?? 0) + (counts ? 1 : 0),
      })
    },
    read(session_id, upTo) {
      const session = rows.get(session_id)
      if (session === undefined || session.unread === 0) return true
      if (upTo < session.server_msg_id) return false
      rows.set(session_id, { ...session, unread: 0 })
      return true
    },
    all: () =>
      [...rows.values()].sort(
        (one, other) => other.create_time - one.create_time || other.session_id - one.session_id,
      ),
    since: () => Math.max(0, server_time - overlap_s),
  }
}
