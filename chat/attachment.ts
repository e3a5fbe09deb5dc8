/** The file of a message: a picture is shown small and opened by a click, sound is played, the rest is saved. */
import { type Files, MsgType, type SentFile, type SignedFile } from '../client/index.js'
import { make, write } from './dom.js'
import { openViewer } from './viewer.js'

const largest = { width: 240, height: 200 }

/** As large as it is shown: known before it is loaded, so that nothing moves then. */
function shownSize({ width, height }: SentFile): { width: string; height: string } | undefined {
  if (!width || !height) return undefined
  const scale = Math.min(1, largest.width / width, largest.height / height)
  const px = (length: number) => `${Math.max(1, Math.round(length * scale))}`
  return { width: px(width), height: px(height) }
}

/** Calls once the element comes into sight: of a long history only what is looked at is fetched. */
function onceSeen(element: Element, act: () => void): void {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return
    observer.disconnect()
    act()
  })
  observer.observe(element)
}

function sizeText(bytes: number): string {
  const kilobytes = bytes / 1024
  return kilobytes < 1000 ? `${Math.max(1, Math.round(kilobytes))} KB` : `${(kilobytes / 1024).toFixed(1)} MB`
}

/** A button that asks for an address, which is good for minutes only, each time that it is pressed. */
function opener(
  label: Node | string,
  file: SentFile,
  files: Files,
  open: (signed: SignedFile) => void,
): HTMLButtonElement {
  const button = make('button', { type: 'button', class: 'file' }, label)
  button.addEventListener('click', () => {
    files.sign(file).then(open, () => write(button, `${file.name ?? 'The file'} is not there`))
  })
  return button
}

function picture(file: SentFile, files: Files): HTMLElement {
  const { name = 'picture' } = file
  const image = make('img', { class: 'thumbnail', alt: name, ...shownSize(file) })
  const button = opener(image, file, files, ({ url }) => openViewer(url, file))
  button.setAttribute('aria-label', `Open ${name}`)
  onceSeen(button, () => {
    files.sign(file).then(
      ({ url, thumb_url }) => image.setAttribute('src', thumb_url ?? url),
      () => write(button, `${name} cannot be shown now`), // a click tries again
    )
  })
  return button
}

function save({ url }: SignedFile, { name = '' }: SentFile): void {
  make('a', { href: url, download: name, rel: 'noopener' }).click()
}

/** What to show of the message. */
export function attachment(msg_type: MsgType, file: SentFile, files: Files): HTMLElement {
  const { name = 'file', size } = file
  if (msg_type === MsgType.IMAGE) return picture(file, files)
  if (msg_type === MsgType.VIDEO)
    return opener(`▶ ${name}`, file, files, ({ url }) => openViewer(url, { ...file, mime: 'video/' }))
  if (msg_type === MsgType.AUDIO) {
    const button = opener(`▶ ${name}`, file, files, ({ url }) =>
      button.replaceWith(make('audio', { src: url, controls: true, autoplay: true, 'aria-label': name })),
    )
    return button
  }
  const label = size === undefined ? name : `${name} (${sizeText(size)})`
  return opener(`⭳ ${label}`, file, files, (signed) => save(signed, file))
}
