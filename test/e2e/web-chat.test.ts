/** The web chat at /chat in a real Chromium, on the whole system: two users side by side. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Locator, Page } from 'playwright-core'
import { assertNoSidewaysScroll, openBrowser, skipWithout, takePicture, watch } from '../helpers/browser.js'
import { type System, startSystem } from '../helpers/system.js'

const within_ms = 15_000
const phone = { width: 390, height: 844 }
const desktop = { width: 1280, height: 800 }

let system: System
let browser: Browser
before(async () => {
  if (skipWithout) return
  system = await startSystem()
  browser = await openBrowser()
})
after(async () => {
  await browser?.close()
  await system?.stop()
})

/** One user's side of the page. */
function side(page: Page, name: string) {
  const pane = page.getByRole('region', { name, exact: true })
  const log = pane.getByRole('log')
  const seen = (locator: Locator) => locator.waitFor({ timeout: within_ms })
  return {
    pane,
    log,
    button: (label: string | RegExp) => pane.getByRole('button', { name: label }),
    async write(text: string): Promise<void> {
      await pane.getByRole('textbox').fill(text)
      await page.keyboard.press('Enter')
    },
    /** A message with this text, and the tick where one is wanted. */
    shows: (text: string, tick?: string) => {
      const item = log.getByRole('listitem').filter({ hasText: text })
      return seen(tick === undefined ? item : item.getByRole('img', { name: tick, exact: true }))
    },
    is: (state: string) => seen(pane.getByText(state, { exact: true })),
    title: (name: string) => seen(pane.getByRole('heading', { name })),
    has: (label: string) => seen(pane.getByLabel(label)),
  }
}

async function openChat(viewport: { width: number; height: number }) {
  const host = `127.0.0.1:${system.http}`
  const page = await browser.newPage({ viewport })
  const faults = watch(page, host)
  await page.goto(`http://${host}/chat`)
  return { page, faults, ada: side(page, 'Ada'), bo: side(page, 'Bo') }
}

test('two users talk: live, read, offline and back, in a group', { skip: skipWithout }, async () => {
  const { page, faults, ada, bo } = await openChat(desktop)
  await ada.is('online')
  await bo.is('online')
  await ada.write('Good morning, Bo ☕')
  await bo.shows('Good morning, Bo ☕')
  await ada.shows('Good morning, Bo ☕', 'read')
  await bo.write('<b>Morning!</b> Shall we?')
  await ada.shows('<b>Morning!</b> Shall we?')

  await bo.button('Go offline').click()
  await bo.is('offline')
  await ada.write('Are you there?')
  await ada.shows('Are you there?', 'sent')
  await bo.write('Written on the train')
  await bo.shows('Written on the train', 'sending')
  await takePicture(page, 'chat-offline')
  await bo.button('Go online').click()
  await bo.shows('Are you there?')
  await ada.shows('Written on the train')
  await ada.shows('Are you there?', 'read')
  await bo.shows('Written on the train', 'read')

  await ada.button('New group').click()
  await ada.title('Coffee break 1')
  await ada.write('Everybody here?')
  await ada.shows('Everybody here?', 'sent')
  await bo.has('1 unread')
  await takePicture(page, 'chat-group')
  await bo.button(/Coffee break 1/).click()
  await bo.shows('Everybody here?')
  await bo.write('I am')
  await ada.shows('I am')
  await takePicture(page, 'chat')
  await assertNoSidewaysScroll(page)
  assert.deepEqual(faults, { errors: [], foreign: [] })
  await page.close()
})

test('what was said is there again after a reload, and another window takes over', {
  skip: skipWithout,
}, async () => {
  const { page, faults, ada } = await openChat(desktop)
  await ada.is('online')
  await ada.write('To be kept')
  await ada.shows('To be kept', 'read')
  await page.reload()
  await ada.shows('To be kept')
  const other = await openChat(desktop)
  await other.ada.is('online')
  await ada.is('opened elsewhere')
  await ada.button('Go online').click()
  await ada.is('online')
  await other.ada.is('opened elsewhere')
  assert.deepEqual(faults, { errors: [], foreign: [] })
  await other.page.close()
  await page.close()
})

test('on a phone one side is shown at a time, and nothing scrolls sideways', {
  skip: skipWithout,
}, async () => {
  const { page, faults, ada, bo } = await openChat(phone)
  await ada.is('online')
  assert.equal(await bo.pane.isVisible(), false)
  await ada.write(`A long word: ${'x'.repeat(300)}`)
  await ada.shows('A long word')
  await assertNoSidewaysScroll(page)
  await takePicture(page, 'chat-phone')
  await page.getByRole('group').getByRole('button', { name: 'Bo', exact: true }).click()
  await bo.shows('A long word')
  assert.equal(await ada.pane.isVisible(), false)
  await assertNoSidewaysScroll(page)
  assert.deepEqual(faults, { errors: [], foreign: [] })
  await page.close()
})

test('with the keyboard alone a session is chosen and a message sent', { skip: skipWithout }, async () => {
  const { page, faults, ada, bo } = await openChat(desktop)
  await bo.is('online')
  await ada.is('online')
  await page.keyboard.press('Tab') // the link in the head
  await page.keyboard.press('Tab') // offline and back
  await page.keyboard.press('Enter')
  await ada.is('offline')
  await page.keyboard.press('Enter')
  await ada.is('online')
  const focused = () => page.evaluate('document.activeElement.getAttribute("aria-label")')
  for (let tabs = 0; tabs < 20 && (await focused()) !== 'Message from Ada'; tabs++)
    await page.keyboard.press('Tab')
  await page.keyboard.type('one line')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('and another')
  await page.keyboard.press('Enter')
  await ada.shows('and another')
  await bo.shows('and another')
  assert.deepEqual(faults, { errors: [], foreign: [] })
  await page.close()
})

test('/docs has no fault either, on a phone', { skip: skipWithout }, async () => {
  const host = `127.0.0.1:${system.http}`
  const page = await browser.newPage({ viewport: phone })
  const faults = watch(page, host)
  await page.goto(`http://${host}/docs`)
  await page.getByText('/v1/messages', { exact: false }).first().waitFor({ timeout: within_ms })
  await assertNoSidewaysScroll(page)
  assert.deepEqual(faults, { errors: [], foreign: [] })
  await page.close()
})
