/** A picture or a film over the whole page; Escape, the button and a click beside it close it. */
import type { SentFile } from '../client/index.js'
import { make } from './dom.js'

/** @param url an address that needs no token */
export function openViewer(url: string, { name = 'picture', mime = '' }: SentFile): void {
  const close = make('button', { type: 'button', class: 'line' }, 'Close')
  const original = make('a', { href: url, target: '_blank', rel: 'noopener' }, 'Original')
  const shown = mime.startsWith('video/')
    ? make('video', { src: url, controls: true, 'aria-label': name })
    : make('img', { src: url, alt: name })
  const caption = make('p', {}, make('span', { class: 'name' }, name), original, close)
  const dialog = make('dialog', { class: 'viewer', 'aria-label': name }, shown, caption)
  close.addEventListener('click', () => dialog.close())
  dialog.addEventListener('click', ({ target }) => {
    if (target === dialog) dialog.close()
  })
  dialog.addEventListener('close', () => dialog.remove())
  document.body.append(dialog)
  dialog.showModal()
}
