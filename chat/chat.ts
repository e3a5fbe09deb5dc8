/** The page: a pane for each demo user, side by side; on a phone one at a time. */
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

async function open(): Promise<void> {
  const users = await demoUsers()
  const names = createNames(users)
  const made = users.map((user) => createPane(user, users, names))
  const buttons = users.map(({ nick_name }) => make('button', { type: 'button' }, nick_name))
  const choose = (chosen: number) => {
    for (const [at, { element }] of made.entries()) {
      set(element, { 'data-chosen': at === chosen })
      set(buttons[at]!, { 'aria-pressed': String(at === chosen) })
    }
  }
  for (const [at, button] of buttons.entries()) button.addEventListener('click', () => choose(at))
  choose(0)
  choice.replaceChildren(...buttons)
  panes.replaceChildren(...made.map(({ element }) => element))
  for (const pane of made) pane.start()
}

open().catch((error: Error) => {
  panes.replaceChildren(
    make('p', { class: 'fault', role: 'alert' }, `The chat did not start: ${error.message}`),
  )
})
