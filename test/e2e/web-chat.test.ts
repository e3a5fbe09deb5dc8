/** The web chat at /chat in a real Chromium, on the whole system: two users side by side, or in a window each. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { Browser, Locator, Page } from 'playwright-core'
import sharp from 'sharp'
import {
  assertNoSidewaysScroll,
  handOver,
  openBrowser,
  skipWithout,
  takePicture,
  watch,
} from '../helpers/browser.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

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

const loaded = (image: { complete: boolean; naturalWidth: number }) =>
  image.complete && image.naturalWidth > 0
const seen = (locator: Locator) => locator.waitFor({ timeout: within_ms })

/** One user's side of the page. */
function side(page: Page, name: string) {
  const pane = page.getByRole('region', { name, exact: true })
  const log = pane.getByRole('log')
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
    /** A picture, small, and loaded. */
    async showsPicture(name: string): Promise<void> {
      const image = log
        .getByRole('button', { name: `Open ${name}` })
        .getByRole('img', { includeHidden: true })
      await seen(image)
      await conditionHolds(`${name} is loaded`, () => image.evaluate(loaded), within_ms)
    },
    is: (state: string) => seen(pane.getByText(state, { exact: true })),
    title: (name: string) => seen(pane.getByRole('heading', { name })),
    has: (label: string) => seen(pane.getByLabel(label)),
  }
}

async function openChat(viewport: { width: number; height: number }, query = '') {
  const host = `127.0.0.1:${system.http}`
  const page = await browser.newPage({ viewport })
  const faults = watch(page, host)
  await page.goto(`http://${host}/chat${query}`)
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
  const tabTo = async (what: string, expression: string) => {
    for (let tabs = 0; tabs < 30; tabs++) {
      if ((await page.evaluate(`document.activeElement.${expression}`)) === what) return
      await page.keyboard.press('Tab')
    }
    assert.fail(`Tab does not lead to ${what}`)
  }
  await tabTo('Go offline', 'textContent')
  await page.keyboard.press('Enter')
  await ada.is('offline')
  await page.keyboard.press('Enter')
  await ada.is('online')
  await tabTo('Send a picture or a file', 'ariaLabel')
  await tabTo('Message from Ada', 'ariaLabel')
  await page.keyboard.type('one line')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('and another')
  await page.keyboard.press('Enter')
  await ada.shows('and another')
  await bo.shows('and another')
  assert.deepEqual(faults, { errors: [], foreign: [] })
  await page.close()
})

const picture = (background: string) =>
  sharp({ create: { width: 1600, height: 1200, channels: 3, background } })
    .png()
    .toBuffer()

test('two windows talk, send pictures, and show what the business pushes', {
  skip: skipWithout,
}, async () => {
  const windows = [await openChat(desktop, '?user=1001'), await openChat(phone, '?user=1002')]
  const [{ page: adas, ada }, { page: bos, bo }] = windows as [(typeof windows)[0], (typeof windows)[0]]
  await ada.is('online')
  await bo.is('online')
  await ada.write('In my own window')
  await bo.shows('In my own window')

  const chooser = adas.waitForEvent('filechooser')
  await ada.button('Send a picture or a file').click()
  const cup = { name: 'cup.png', mimeType: 'image/png', buffer: await picture('#b5651d') }
  await (await chooser).setFiles(cup)
  await ada.showsPicture('cup.png')
  await bo.showsPicture('cup.png')
  await handOver(bo.pane.getByRole('textbox'), 'paste', 'pasted.png', await picture('#2c7a4b'))
  await ada.showsPicture('pasted.png')
  await handOver(ada.log, 'drop', 'dropped.png', await picture('#3b5998'))
  await bo.showsPicture('dropped.png')

  await bo.button('Open cup.png').click()
  const opened = bos.getByRole('dialog', { name: 'cup.png' })
  await seen(opened)
  await conditionHolds('the picture itself', () => opened.getByRole('img').evaluate(loaded), within_ms)
  await takePicture(bos, 'chat-picture-phone')
  await bos.keyboard.press('Escape')
  await opened.waitFor({ state: 'detached', timeout: within_ms })

  const push = { push_id: randomUUID(), push_type: 'order.paid', to: { user_ids: ['1001', '1002'] } }
  const json = { title: 'Order 7', text: `Your order is paid ${'☕'.repeat(40)}` }
  assert.equal((await system.api.post('/v1/pushes', { ...push, json })).status, 201)
  for (const { page, ada: side } of [windows[0]!, { page: bos, ada: bo }]) {
    const notice = side.pane.getByRole('status', { name: 'Notices' }).getByRole('article')
    await seen(notice.filter({ hasText: 'Your order is paid' }).filter({ hasText: 'order.paid' }))
    await assertNoSidewaysScroll(page)
  }
  await takePicture(adas, 'chat-window')
  await takePicture(bos, 'chat-window-phone')
  await bo.button('Put order.paid away').press('Enter')
  await bo.pane.getByRole('article').waitFor({ state: 'detached', timeout: within_ms })
  for (const { page, faults } of windows) {
    assert.deepEqual(faults, { errors: [], foreign: [] })
    await page.close()
  }
})

test('a file is saved, and one that is refused stays with the reason, to be tried again', {
  skip: skipWithout,
}, async () => {
  const { page, faults, ada, bo } = await openChat(desktop)
  await ada.is('online')
  const [choose] = [ada.pane.locator('input[type=file]')]
  await choose.setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('beans') })
  const saved = page.waitForEvent('download')
  await bo.log.getByRole('button', { name: /notes.txt/ }).click()
  assert.equal((await saved).suggestedFilename(), 'notes.txt')

  await choose.setInputFiles({ name: 'nothing.png', mimeType: 'image/png', buffer: Buffer.alloc(0) })
  const refused = ada.log.getByRole('alert')
  await seen(refused.filter({ hasText: 'BAD_REQUEST' }))
  await refused.getByRole('button', { name: 'Try again' }).click()
  await seen(refused.filter({ hasText: 'BAD_REQUEST' }))
  // Chromium itself says on the console that a call was refused.
  assert.deepEqual(
    faults.errors.filter((error) => !/status of 400/.test(error)),
    [],
  )
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
