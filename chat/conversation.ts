/** The messages of the session that is open, as a log: new ones at the end, ticks as they come. */
import { type ChatMessage, type Files, fileOf, MessageStatus, MsgType, SessionType } from '../client/index.js'
import { attachment } from './attachment.js'
import { make, set } from './dom.js'
import type { Names } from './names.js'
import { summary } from './summary.js'
import { setTick, type Tick } from './tick.js'
import { type Unsent, unsentItem } from './unsent.js'

export interface Conversation {
  readonly element: HTMLElement
  /** @param readUpTo of the peer, in single chat */
  show(
    session_id: number,
    messages: readonly ChatMessage[],
    unsent: readonly Unsent[],
    readUpTo: number,
  ): void
}

/** Older ones are for `history`. */
const shownAtMost = 200
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

function bubble(message: ChatMessage, me: number, names: Names, files: Files): HTMLElement {
  const isOwn = message.from_user_id === me
  const isNotice = message.msg_type === MsgType.NOTIFICATION
  const time = new Date(message.create_time)
  const item = make('li', { class: isNotice ? 'notice' : isOwn ? 'own' : 'other' })
  if (!isOwn && !isNotice && message.session_type === SessionType.GROUP)
    item.append(make('span', { class: 'name' }, names.of(message.from_user_id)))
  const who = isNotice ? `${names.of(message.from_user_id)} ` : ''
  const file = fileOf(message)
  item.append(
    file
      ? attachment(message.msg_type, file, files)
      : make('span', { class: 'text' }, `${who}${summary(message)}`),
  )
  if (!isNotice)
    item.append(
      make('time', { datetime: time.toISOString() }, clock.format(time)),
      make('span', { class: 'tick' }),
    )
  return item
}

const near_px = 60

/** Who is at the end of a log stays there while it grows, also by a picture that is loaded late. */
function keepAtEnd(log: HTMLElement, list: HTMLElement): { go(): void } {
  let isAtEnd = true
  let last_px = 0
  const follow = () => {
    if (isAtEnd) log.scrollTop = log.scrollHeight
  }
  log.addEventListener('scroll', () => {
    // What grows meanwhile does not count: only who scrolls up leaves the end.
    if (log.scrollHeight - log.scrollTop - log.clientHeight < near_px) isAtEnd = true
    else if (log.scrollTop < last_px) isAtEnd = false
    last_px = log.scrollTop
  })
  const observer = new ResizeObserver(follow)
  observer.observe(log)
  observer.observe(list)
  return {
    go() {
      isAtEnd = true
      follow()
    },
  }
}

/** Nothing is shown yet. */
export function createConversation(me: number, names: Names, files: Files): Conversation {
  const list = make('ol', { class: 'messages' })
  const element = make('div', { class: 'log', role: 'log', tabindex: '0', 'aria-label': 'Messages' }, list)
  const end = keepAtEnd(element, list)
  let items = new Map<string, HTMLElement>()
  let open: number | undefined

  function tickOf(message: ChatMessage, readUpTo: number): Tick {
    if (message.from_user_id !== me) return undefined
    const isRead = message.msg_status === MessageStatus.RECEIPT || message.server_msg_id <= readUpTo
    return isRead ? 'read' : 'stored'
  }

  return {
    element,
    show(session_id, messages, unsent, readUpTo) {
      const isOther = session_id !== open
      // A session that is opened is read by whoever goes there, not announced line by line.
      set(element, { 'aria-live': isOther ? 'off' : 'polite' })
      if (isOther) items = new Map()
      const before = items
      open = session_id
      // Elements that are shown stay as they are.
      const kept = new Map<string, HTMLElement>()
      for (const message of messages.slice(-shownAtMost)) {
        const key = `${message.server_msg_id}`
        const shown = items.get(key) ?? bubble(message, me, names, files)
        kept.set(key, shown)
        setTick(shown, tickOf(message, readUpTo))
      }
      for (const sending of unsent) {
        const shown = items.get(sending.msg_id) ?? make('li', { class: 'own' })
        kept.set(sending.msg_id, shown)
        unsentItem(shown, sending)
      }
      items = kept
      reconcile(list, [...kept.values()])
      if (isOther || unsent.some(({ msg_id }) => !before.has(msg_id))) end.go()
    },
  }
}

/** Moves only what is not in its place. */
function reconcile(list: HTMLElement, items: readonly HTMLElement[]): void {
  const wanted = new Set<Element>(items)
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove()
  for (const [at, item] of items.entries())
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null)
}
