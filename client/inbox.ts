/** What comes to a user: delivered or pulled, shown once and in order, counted in the session list, acked, read. */
import { createCatchUp } from './catch-up.js'
import { ChatError } from './chat-error.js'
import type { ClientEvents } from './client.js'
import type { Events } from './events.js'
import { type IMMsgData, type IMMsgDataAck, type IMMsgDataReadNotify, ResCode } from './gen/protocol.js'
import type { Link } from './link.js'
import { type ChatMessage, delivered, sessionTypeOf } from './messages.js'
import type { ClientOptions, Snapshot } from './options.js'
import { createReads, type ReadMark } from './reads.js'
import { createSessionList, type Session } from './session-list.js'
import { createTimeline } from './timeline.js'

export interface Inbox {
  /** Logged in: says again what was read, pulls what was missed. */
  online(link: Link): void
  onMessage(link: Link, body: IMMsgData): void
  onRead(notify: IMMsgDataReadNotify): void
  /** One's own message that is stored now. */
  stored(message: ChatMessage): void
  markRead(mark: ReadMark): void
  sessions(): readonly Session[]
  snapshot(): Snapshot
}

/** Before a number that is missing is asked for: it is often one's own whose ack is under way. */
const fillAfter_ms = 300
/** So many live messages, and the cursor is moved up: the next login pulls no more than that again. */
const syncEvery_messages = 500

function ackOf({
  from_user_id,
  to_session_id,
  msg_id,
  server_msg_id,
  session_type,
}: IMMsgData): IMMsgDataAck {
  const named = { from_user_id, to_session_id, msg_id, server_msg_id }
  return { ...named, session_type: session_type ?? sessionTypeOf(to_session_id), res_code: ResCode.OK }
}

/** Again where an answer did not come in time: without it what was missed would stay so until the next login. */
async function untilInTime(pull: () => Promise<void>): Promise<void> {
  for (;;)
    try {
      return await pull()
    } catch (error) {
      if (!(error instanceof ChatError && error.failure === 'late')) throw error
    }
}

/** @param current the link that is logged in, if any */
export function createInbox(
  { user_id, resume }: ClientOptions,
  events: Events<ClientEvents>,
  current: () => Link | undefined,
): Inbox {
  const timeline = createTimeline<ChatMessage>(resume?.shown)
  const sessions = createSessionList()
  let isCatchingUp = false
  let liveMessages = 0
  let filling: ReturnType<typeof setTimeout> | undefined

  const sessionsChanged = () => events.emit('sessions', sessions.all())

  function show(messages: readonly ChatMessage[]): void {
    for (const message of messages) {
      sessions.saw(message, user_id)
      events.emit('message', message)
    }
    if (messages.length > 0) sessionsChanged()
  }
  const catchUp = createCatchUp({
    ...{ user_id, timeline, sessions, cursor: resume?.cursor ?? 0, onShown: show },
    onSkipped: (hole) => events.emit('skipped', hole),
  })
  const snapshot = () => ({ cursor: catchUp.cursor(), shown: timeline.positions() })

  const failed = (error: ChatError): void => {
    // What a lost link left undone is done after the next login.
    if (error.failure !== 'lost') events.emit('error', error)
  }

  const reads = createReads({
    ...{ user_id, sessions, link: current, reload: catchUp.sessionList },
    ...{ onChanged: sessionsChanged, onFailed: failed },
  })

  async function pullAll(link: Link): Promise<void> {
    isCatchingUp = true
    liveMessages = 0
    await untilInTime(() => catchUp.all(link)).finally(() => {
      if (current() === link) isCatchingUp = false
    })
    sessionsChanged()
    events.emit('synced', snapshot())
  }

  function arrived(message: ChatMessage): void {
    const free = timeline.arrived(message)
    show(free)
    liveMessages += free.length
    const link = current()
    if (isCatchingUp || link === undefined) return
    if (liveMessages >= syncEvery_messages) return void pullAll(link).catch(failed)
    clearTimeout(filling)
    if (timeline.holes().length > 0)
      filling = setTimeout(() => void catchUp.fill(link).catch(failed), fillAfter_ms)
  }

  return {
    online(link) {
      reads.online(link)
      void pullAll(link).catch(failed)
    },
    onMessage(link, body) {
      const message = delivered(user_id, body)
      if (message !== undefined) arrived(message)
      // Repeats too: their first ack may be what was lost.
      link.put('MSG_DATA_ACK', ackOf(body))
    },
    onRead(notify) {
      events.emit('read', notify)
      if (notify.user_id === user_id) reads.upTo(notify.session_id, notify.server_msg_id ?? 0)
    },
    stored: arrived,
    markRead: reads.mark,
    sessions: sessions.all,
    snapshot,
  }
}
