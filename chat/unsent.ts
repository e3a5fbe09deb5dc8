/** What one has written and the server has not stored: text, or a file with how much of it is there. */
import { make, set, write } from './dom.js'
import { setTick } from './tick.js'

export interface Unsent {
  readonly msg_id: string
  /** Of a file, its name. */
  readonly text: string
  upload?: {
    /** An address of the picture that is on its way. */
    readonly preview: string | undefined
    /** 0 … 1 */
    readonly share: number
  }
  fault?: string
  /** Tries once more, where it was refused. */
  again?: (() => void) | undefined
}

function fill(item: HTMLElement, { text, upload }: Unsent): void {
  if (upload?.preview !== undefined)
    item.append(make('img', { class: 'thumbnail', src: upload.preview, alt: text }))
  else item.append(make('span', { class: 'text' }, text))
  item.append(make('span', { class: 'tick' }))
  if (upload !== undefined)
    item.append(make('progress', { max: '1', value: '0', 'aria-label': `Upload of ${text}` }))
}

/** Fills a new item, and brings it up to date whenever something has changed. */
export function unsentItem(item: HTMLElement, unsent: Unsent): void {
  const { fault, upload, again } = unsent
  if (item.childElementCount === 0) fill(item, unsent)
  setTick(item, fault === undefined ? 'waiting' : 'refused')
  const bar = item.querySelector('progress')
  if (bar) set(bar, { value: `${upload?.share ?? 0}`, hidden: fault !== undefined })
  const reason = item.querySelector('.reason')
  if (fault === undefined) reason?.remove()
  else if (reason) write(reason.firstElementChild!, fault)
  else item.append(createReason(fault, again))
}

function createReason(fault: string, again: Unsent['again']): HTMLElement {
  const button = make('button', { type: 'button', class: 'line again' }, 'Try again')
  button.addEventListener('click', () => again?.())
  return make('p', { class: 'reason', role: 'alert' }, make('span', {}, fault), button)
}
