/** What was missed is pulled: the session list, the timeline since the cursor, and numbers that are missing. */
import { ChatError, isPassing } from './chat-error.js'
import { ErrorCode } from './gen/protocol.js'
import type { Link } from './link.js'
import { type ChatMessage, pulled, sessionTypeOf } from './messages.js'
import type { SessionList } from './session-list.js'
import type { Hole, Timeline } from './timeline.js'
import type { Asked, Question, Told } from './wire.js'

interface CatchUpOptions {
  readonly user_id: number
  readonly timeline: Timeline<ChatMessage>
  readonly sessions: SessionList
  readonly cursor: number
  onShown(messages: readonly ChatMessage[]): void
  /** Numbers too many to be fetched for: `history` has them. */
  onSkipped(hole: Hole): void
}

export interface CatchUp {
  /** Everything up to now. Rejects with a ChatError where the link ends or a request is refused. */
  all(link: Link): Promise<void>
  sessionList(link: Link): Promise<void>
  /** Fetches what is missing, session by session. */
  fill(link: Link): Promise<void>
  cursor(): number
}

const page = 100
/** A hole that is larger is filled from its end, this far. */
const fillAtMost = 1_000
const retry_ms = 500

/** Asks until it is served: SERVER_BUSY and RATE_LIMITED pass. */
export async function askPatiently<Name extends Question>(
  link: Link,
  name: Name,
  body: Asked<Name>,
): Promise<Told<Name>> {
  for (let tries = 1; ; tries++) {
    try {
      return await link.ask(name, body)
    } catch (error) {
      if (!isPassing(error)) throw error
      await new Promise((resolve) => setTimeout(resolve, Math.min(10, tries) * retry_ms))
    }
  }
}

/** Pulls for one user, link after link. */
export function createCatchUp({
  user_id,
  timeline,
  sessions,
  onShown,
  onSkipped,
  ...start
}: CatchUpOptions): CatchUp {
  let { cursor } = start

  async function sessionList(link: Link): Promise<void> {
    let before: { before_update_time?: number; before_session_id?: number } = {}
    const latest_update_time = sessions.since()
    for (let more = true; more; ) {
      const asked = { user_id, latest_update_time, limit_count: page, ...before }
      const answer = await askPatiently(link, 'RECENT_CONTACT_SESSION', asked)
      sessions.load(answer)
      const last = answer.contact_session_list.at(-1)
      more = answer.has_more === true && last !== undefined
      if (last) before = { before_update_time: last.updated_time, before_session_id: last.session_id }
    }
  }

  async function sync(link: Link): Promise<void> {
    for (let more = true; more; ) {
      const answer = await askPatiently(link, 'SYNC', { user_id, cursor, limit_count: page })
      onShown(answer.msg_list.flatMap((message) => timeline.pulled(pulled(user_id, message))))
      cursor = answer.next_cursor
      more = answer.has_more
    }
  }

  /** The messages of a hole that this user may see, in rising order, the newest of a large one. */
  async function missing(link: Link, { session_id, from, to }: Hole): Promise<ChatMessage[]> {
    const found: ChatMessage[] = []
    const session_type = sessionTypeOf(session_id)
    for (let end = to + 1; end > from && found.length < fillAtMost; ) {
      const limit_count = Math.min(page, end - from)
      const asked = { user_id, session_type, session_id, end_msg_id: end, limit_count }
      const { msg_list } = await askPatiently(link, 'MSG_LIST', asked)
      found.unshift(...msg_list.map((message) => pulled(user_id, message)))
      if (msg_list.length < limit_count) break
      end = msg_list[0]!.server_msg_id
    }
    return found
  }

  async function fill(link: Link): Promise<void> {
    for (const hole of timeline.holes()) {
      const found = await missing(link, hole).catch((error: unknown) => {
        // Not a member any more: there is nothing to be had.
        if (error instanceof ChatError && error.result_code === ErrorCode.FORBIDDEN) return []
        throw error
      })
      const first = found[0]?.server_msg_id ?? hole.to
      if (found.length >= fillAtMost && first > hole.from) onSkipped({ ...hole, to: first - 1 })
      onShown(found.flatMap((message) => timeline.pulled(message)))
      onShown(timeline.passed(hole.session_id, hole.to))
    }
  }

  return {
    async all(link) {
      await sessionList(link)
      await sync(link)
      await fill(link)
    },
    sessionList,
    fill,
    cursor: () => cursor,
  }
}
