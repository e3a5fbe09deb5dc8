/** The messages of the session that is open, as a log: new ones at the end, ticks as they come. */
import { type ChatMessage, MessageStatus, MsgType, SessionType, textOf } from '../client/index.js'
import { make, set, write } from './dom.js'
import type { Names } from './names.js'

/** One's own that is not stored yet, or was refused. */
export interface Unsent {
  readonly msg_id: string
  readonly text: string
  fault?: string
}

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
const decoder = new TextDecoder()
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

/** What a message says; in brackets what it is where it is not text. */
export function summary(message: Pick<ChatMessage, 'msg_type' | 'msg_data'>): string {
  const text = textOf(message)
  if (text !== undefined) return text
  if (message.msg_type === MsgType.NOTIFICATION) return notificationText(message.msg_data)
  if (message.msg_type === MsgType.ROBOT) return robotText(message.msg_data)
  const kind = Object.entries(MsgType).find(([, value]) => value === message.msg_type)?.[0] ?? 'MESSAGE'
  return `[${kind === 'IMAGE' ? 'picture' : kind.toLowerCase()}]`
}

function parsed(data: Uint8Array): Record<string, unknown> {
  try {
    return (JSON.parse(decoder.decode(data)) ?? {}) as Record<string, unknown>
  } catch {
    return {}
  }
}

function robotText(data: Uint8Array): string {
  const { content, body } = parsed(data)
  return typeof content === 'string'
    ? content
    : typeof body === 'string'
      ? body
      : JSON.stringify(content ?? body ?? '')
}

const changes: Readonly<Record<string, string>> = {
  'group.created': 'made the group',
  'group.disbanded': 'disbanded the group',
  'group.member_left': 'left the group',
  'group.members_added': 'added members',
  'group.members_removed': 'removed members',
}

/** A change of a group, in words that follow the name of who did it. */
function notificationText(data: Uint8Array): string {
  return changes[String(parsed(data).notification)] ?? 'changed the group'
}

type Tick = 'waiting' | 'refused' | 'stored' | 'read' | undefined

const tickWords = { waiting: 'sending', refused: 'not sent', stored: 'sent', read: 'read' } as const
const tickSigns = { waiting: '◷', refused: '!', stored: '✓', read: '✓✓' } as const

function bubble(message: ChatMessage, me: number, names: Names): HTMLElement {
  const isOwn = message.from_user_id === me
  const isNotice = message.msg_type === MsgType.NOTIFICATION
  const time = new Date(message.create_time)
  const item = make('li', { class: isNotice ? 'notice' : isOwn ? 'own' : 'other' })
  if (!isOwn && !isNotice && message.session_type === SessionType.GROUP)
    item.append(make('span', { class: 'name' }, names.of(message.from_user_id)))
  const who = isNotice ? `${names.of(message.from_user_id)} ` : ''
  item.append(make('span', { class: 'text' }, `${who}${summary(message)}`))
  if (!isNotice)
    item.append(
      make('time', { datetime: time.toISOString() }, clock.format(time)),
      make('span', { class: 'tick' }),
    )
  return item
}

function setTick(item: Element, tick: Tick): void {
  const sign = item.querySelector('.tick')
  if (sign === null) return
  set(sign, { 'data-tick': tick, role: tick && 'img', 'aria-label': tick && tickWords[tick] })
  write(sign, tick === undefined ? '' : tickSigns[tick])
}

/** Nothing is shown yet. */
export function createConversation(me: number, names: Names): Conversation {
  const list = make('ol', { class: 'messages' })
  const element = make('div', { class: 'log', role: 'log', tabindex: '0', 'aria-label': 'Messages' }, list)
  let items = new Map<string, HTMLElement>()
  let open: number | undefined

  /** The element of a key, made where it is new; those that are shown stay as they are. */
  function item(kept: Map<string, HTMLElement>, key: string, create: () => HTMLElement): HTMLElement {
    const element = items.get(key) ?? create()
    kept.set(key, element)
    return element
  }

  function tickOf(message: ChatMessage, readUpTo: number): Tick {
    if (message.from_user_id !== me) return undefined
    const isRead = message.msg_status === MessageStatus.RECEIPT || message.server_msg_id <= readUpTo
    return isRead ? 'read' : 'stored'
  }

  return {
    element,
    show(session_id, messages, unsent, readUpTo) {
      const isOther = session_id !== open
      const wasAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 60
      // A session that is opened is read by whoever goes there, not announced line by line.
      set(element, { 'aria-live': isOther ? 'off' : 'polite' })
      if (isOther) items = new Map()
      open = session_id
      const kept = new Map<string, HTMLElement>()
      for (const message of messages.slice(-shownAtMost)) {
        const shown = item(kept, `${message.server_msg_id}`, () => bubble(message, me, names))
        setTick(shown, tickOf(message, readUpTo))
      }
      for (const { msg_id, text, fault } of unsent) {
        const shown = item(kept, msg_id, () =>
          make(
            'li',
            { class: 'own' },
            make('span', { class: 'text' }, text),
            make('span', { class: 'tick' }),
          ),
        )
        setTick(shown, fault === undefined ? 'waiting' : 'refused')
        set(shown, { title: fault })
      }
      items = kept
      reconcile(list, [...kept.values()])
      if (isOther || wasAtEnd) element.scrollTop = element.scrollHeight
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
