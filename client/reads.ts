/**
 * How far this user has read. A read is not answered, so those of the last minute are said again on the next
 * connection; the position never moves back.
 */
import type { ChatError } from './chat-error.js'
import type { Link } from './link.js'
import { sessionTypeOf } from './messages.js'
import type { SessionList } from './session-list.js'

/** A message up to which everything is read: a ChatMessage is one, and a Session. */
export interface ReadMark {
  readonly session_id: number
  readonly msg_id: string
  readonly server_msg_id: number
}

interface ReadsOptions {
  readonly user_id: number
  readonly sessions: SessionList
  /** The link that is logged in, if any. */
  link(): Link | undefined
  /** Asks the server for what has changed in the session list. */
  reload(link: Link): Promise<void>
  onChanged(): void
  onFailed(error: ChatError): void
}

export interface Reads {
  mark(mark: ReadMark): void
  /** This user has read up to here, on whichever device. */
  upTo(session_id: number, server_msg_id: number): void
  /** Logged in. */
  online(link: Link): void
}

const doubtful_ms = 60_000
/** The server counts what is left soon after it was told. */
const countedAfter_ms = 1_000

/** Nothing read yet. */
export function createReads({ user_id, sessions, link, reload, onChanged, onFailed }: ReadsOptions): Reads {
  const marks = new Map<number, { mark: ReadMark; at: number; isSaid: boolean }>()

  function tell(to: Link, { session_id, msg_id, server_msg_id }: ReadMark): void {
    const session_type = sessionTypeOf(session_id)
    to.put('MSG_READ_ACK', { user_id, session_id, session_type, msg_id, server_msg_id })
  }

  /** How many a read leaves only the server can say. */
  function count(): void {
    const now = link()
    if (now !== undefined) reload(now).then(onChanged, onFailed)
  }

  function upTo(session_id: number, server_msg_id: number): void {
    if (sessions.read(session_id, server_msg_id)) onChanged()
    else setTimeout(count, countedAfter_ms)
  }

  return {
    mark(mark) {
      const { session_id, msg_id, server_msg_id } = mark
      if ((marks.get(session_id)?.mark.server_msg_id ?? 0) >= server_msg_id) return
      const to = link()
      const kept = { session_id, msg_id, server_msg_id }
      marks.set(session_id, { mark: kept, at: Date.now(), isSaid: to !== undefined })
      if (to !== undefined) tell(to, mark)
      upTo(session_id, server_msg_id)
    },
    upTo,
    online(to) {
      for (const each of marks.values()) {
        if (each.isSaid && Date.now() - each.at > doubtful_ms) continue
        each.isSaid = true
        tell(to, each.mark)
      }
    },
  }
}
