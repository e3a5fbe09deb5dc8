/** What the business pushes: system notices, newest first, until each is put away. */
import type { CIMPushData } from '../client/index.js'
import { make } from './dom.js'

export interface Notices {
  readonly element: HTMLElement
  add(push: CIMPushData): void
}

/** Older ones go. */
const shownAtMost = 20
const longestText = 500
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

/** The title and the text of a payload that has them; any other payload as it is. */
function words(payload: Uint8Array): { title?: string; text: string } {
  const raw = new TextDecoder().decode(payload)
  try {
    const { title, text, body } = (JSON.parse(raw) ?? {}) as Record<string, unknown>
    const said = text ?? body
    if (typeof said === 'string') return { ...(typeof title === 'string' && { title }), text: said }
  } catch {
    // It is no JSON.
  }
  return { text: raw }
}

/** Nothing was pushed yet. */
export function createNotices(): Notices {
  const element = make('div', { class: 'notices', role: 'status', 'aria-label': 'Notices' })
  return {
    element,
    add({ push_type, payload, create_time }) {
      const { title, text } = words(payload)
      const close = make(
        'button',
        { type: 'button', class: 'away', 'aria-label': `Put ${push_type} away` },
        '×',
      )
      const time = new Date(create_time)
      const card = make(
        'article',
        {},
        make(
          'header',
          {},
          make('span', { class: 'sign', 'aria-hidden': 'true' }, 'i'),
          make('strong', {}, title ?? 'Notice'),
          make('span', { class: 'type' }, push_type),
          make('time', { datetime: time.toISOString() }, clock.format(time)),
          close,
        ),
        make('p', {}, text.slice(0, longestText)),
      )
      close.addEventListener('click', () => card.remove())
      element.prepend(card)
      while (element.childElementCount > shownAtMost) element.lastElementChild?.remove()
    },
  }
}
