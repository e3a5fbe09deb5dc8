/**
 * The page: a pane for each demo user, side by side; on a phone one at a time. `/chat?user=1001` is a window for that
 * user alone.
 */
import { make, set } from './dom.js'
import { createNames } from './names.js'
import { createPane, type DemoUser } from './pane.js'

const panes = document.querySelector('#panes')!
const choice = document.querySelector('#switch')!

async function demoUsers(): Promise<readonly DemoUser[]> {
  const response = await fetch('/chat/users')
  if (!response.ok) throw new Error(`the server answered ${response.status}`)
  const { users } = (await response.json()) as {
    users: { user_id: string; nick_name: string; token: string }[]
  }
  return users.map(({ user_id, nick_name, token }) => ({ user_id: Number(user_id), nick_name, token }))
}

/** A window for each: a user's second window would take over from the first. */
function linkWindows(users: readonly DemoUser[]): void {
  const links = users.flatMap(({ user_id, nick_name }) => [
    ' ',
    make('a', { href: `/chat?user=${user_id}`, target: '_blank' }, nick_name),
  ])
  document.querySelector('#windows')!.replaceChildren('In windows of their own:', ...links, '.')
}

async function open(): Promise<void> {
  const users = await demoUsers()
  const names = createNames(users)
  const only = new URLSearchParams(location.search).get('user')
  const shown = users.filter(({ user_id }) => only === null || only === `${user_id}`)
  if (shown.length === 0) throw new Error(`${only} is no demo user`)
  if (only === null) linkWindows(users)
  set(panes, { 'data-single': shown.length === 1 })
  const made = shown.map((user) => createPane(user, users, names))
  const buttons = shown.map(({ nick_name }) => make('button', { type: 'button' }, nick_name))
  const choose = (chosen: number) => {
    for (const [at, { element }] of made.entries()) {
      set(element, { 'data-chosen': at === chosen })
      set(buttons[at]!, { 'aria-pressed': String(at === chosen) })
    }
  }
  for (const [at, button] of buttons.entries()) button.addEventListener('click', () => choose(at))
  choose(0)
  choice.replaceChildren(...(shown.length > 1 ? buttons : []))
  panes.replaceChildren(...made.map(({ element }) => element))
  for (const pane of made) pane.start()
}

// A file that misses its pane is not to replace the page.
for (const event of ['dragover', 'drop'])
  document.addEventListener(event, (dropped) => dropped.preventDefault())

open().catch((error: Error) => {
  panes.replaceChildren(
    make('p', { class: 'fault', role: 'alert' }, `The chat did not start: ${error.message}`),
  )
})
