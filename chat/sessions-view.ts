/** The list of sessions: who, what was said last, how much is unread. */
import { type Session, SessionType } from '../client/index.js'
import { make, set } from './dom.js'
import type { Names } from './names.js'
import { summary } from './summary.js'

export interface SessionsView {
  readonly element: HTMLElement
  show(sessions: readonly Session[], open: number): void
}

/** A session of the list, or a user to whom nothing was said yet. */
interface Entry {
  readonly session_id: number
  readonly last: string
  readonly unread: number
}

const initial = (name: string): string => [...name][0]?.toUpperCase() ?? '?'

/**
 * @param peers are listed, also while nothing was said
 * @param onOpen somebody chose a session
 */
export function createSessionsView(
  names: Names,
  peers: readonly number[],
  onOpen: (session_id: number) => void,
): SessionsView {
  const list = make('ul')
  const element = make('nav', { class: 'sessions', 'aria-label': 'Conversations' }, list)
  const rows = new Map<number, HTMLElement>()

  function row(session_id: number): HTMLElement {
    const known = rows.get(session_id)
    if (known !== undefined) return known
    const button = make(
      'button',
      { type: 'button' },
      make('span', { class: 'avatar', 'aria-hidden': 'true' }),
      make('span', { class: 'name' }),
      make('span', { class: 'last' }),
      make('span', { class: 'badge' }),
    )
    button.addEventListener('click', () => onOpen(session_id))
    const item = make('li', {}, button)
    rows.set(session_id, item)
    return item
  }

  function fill(item: HTMLElement, { session_id, last, unread }: Entry, isOpen: boolean): void {
    const name = names.of(session_id)
    const part = (what: string) => item.querySelector(what)!
    part('.avatar').textContent = initial(name)
    part('.name').textContent = name
    part('.last').textContent = last
    part('.badge').textContent = unread > 0 ? `${unread}` : ''
    set(part('.badge'), { 'aria-label': unread > 0 && `${unread} unread`, role: unread > 0 && 'img' })
    set(part('button'), { 'aria-current': isOpen && 'true' })
  }

  return {
    element,
    show(sessions, open) {
      const entries: Entry[] = sessions.map((session) => ({ ...session, last: lastOf(session, names) }))
      for (const session_id of peers)
        if (!entries.some((each) => each.session_id === session_id))
          entries.push({ session_id, last: 'Say hello', unread: 0 })
      for (const [at, entry] of entries.entries()) {
        const item = row(entry.session_id)
        fill(item, entry, entry.session_id === open)
        if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null)
      }
      while (list.children.length > entries.length) list.lastElementChild?.remove()
    },
  }
}

function lastOf(session: Session, names: Names): string {
  if (session.msg_id === '') return 'No messages yet'
  const who = session.session_type === SessionType.GROUP ? `${names.of(session.from_user_id)}: ` : ''
  return `${who}${summary(session)}`
}
