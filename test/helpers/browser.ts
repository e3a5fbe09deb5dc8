/** A real Chromium for the tests of pages, and what must be true of each page. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type Locator, type Page } from 'playwright-core'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const folders = (process.env.PATH ?? '').split(delimiter)
const paths = [
  process.env.CHROMIUM_PATH ?? '',
  ...folders.flatMap((folder) => names.map((name) => join(folder, name))),
]

/** Where Chromium is: CHROMIUM_PATH, or on the PATH. undefined: these tests are skipped. */
const chromiumPath = paths.find((path) => path !== '' && existsSync(path))

export const skipWithout =
  chromiumPath === undefined && 'there is no Chromium: set CHROMIUM_PATH, or have it on the PATH'

const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync']
const silent = ['--disable-background-networking', '--disable-component-update', '--disable-default-apps']

/** A browser with a profile of its own, which is gone with it. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: chromiumPath!, headless: true, args: [...quiet, ...silent] })

/** Everything that a page did wrong. */
export interface Faults {
  readonly errors: string[]
  /** Requests that went to another host. */
  readonly foreign: string[]
}

/** @param host host:port that the page is from */
export function watch(page: Page, host: string): Faults {
  const faults: Faults = { errors: [], foreign: [] }
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.errors.push(message.text())
  })
  page.on('pageerror', (error) => void faults.errors.push(String(error)))
  page.on('request', (request) => {
    const { host: to, protocol } = new URL(request.url())
    if (to !== host && protocol !== 'data:' && protocol !== 'blob:') faults.foreign.push(request.url())
  })
  return faults
}

/** The page is no wider than the window. */
export async function assertNoSidewaysScroll(page: Page): Promise<void> {
  const [content, window] = (await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')) as [
    number,
    number,
  ]
  assert.ok(content <= window, `${content} px wide in a window of ${window} px`)
}

const screenshots = join(import.meta.dirname, '../screenshots') // dist/test/screenshots

/** Keeps a picture of the page for whoever wants to look. */
export async function takePicture(page: Page, name: string): Promise<void> {
  mkdirSync(screenshots, { recursive: true })
  await page.screenshot({ path: join(screenshots, `${name}.png`) })
}

/** Makes the event of a picture that is pasted into an element, or dropped on it. */
export async function handOver(
  element: Locator,
  event: 'paste' | 'drop',
  name: string,
  bytes: Buffer,
): Promise<void> {
  await element.evaluate(
    (target, [type, fileName, base64]) => {
      // What a page has, and Node has not.
      const page = globalThis as unknown as Record<string, new (...given: unknown[]) => Event>
      const { DataTransfer, File, ClipboardEvent, DragEvent } = page as Required<typeof page>
      const held = new DataTransfer!() as unknown as { items: { add(file: unknown): void } }
      const content = Uint8Array.from(atob(base64!), (letter) => letter.charCodeAt(0))
      held.items.add(new File!([content], fileName, { type: 'image/png' }))
      const how = { bubbles: true, cancelable: true, clipboardData: held, dataTransfer: held }
      const Handed = type === 'paste' ? ClipboardEvent! : DragEvent!
      ;(target as EventTarget).dispatchEvent(new Handed(type, how))
    },
    [event, name, bytes.toString('base64')],
  )
}
