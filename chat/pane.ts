/** One user's side: a client of the library, its sessions, the conversation that is open, and a field to write in. */
import { type Client, createClient, type Session, SessionType, type State } from '../client/index.js'
import { createComposer, takeDrops } from './composer.js'
import { createConversation } from './conversation.js'
import { make, set, write } from './dom.js'
import type { Names } from './names.js'
import { createNotices } from './notices.js'
import { createSessionsView } from './sessions-view.js'
import { createStore } from './store.js'

export interface DemoUser {
  readonly user_id: number
  readonly nick_name: string
  readonly token: string
}

export interface Pane {
  readonly element: HTMLElement
  start(): void
}

function stateText(state: State): string {
  if (state.name === 'waiting') return 'connecting again…'
  if (state.name === 'connecting') return 'connecting…'
  if (state.name === 'online') return 'online'
  if (state.name === 'idle' || state.ending.why === 'asked') return 'offline'
  return state.ending.why === 'kicked' ? 'opened elsewhere' : 'refused'
}

/** The name, the state, and the switch between offline and back. */
function createHead(user: DemoUser, client: Client) {
  const text = make('span', { class: 'state', role: 'status' }, 'connecting…')
  const button = make('button', { type: 'button', class: 'line' }, 'Go offline')
  button.addEventListener('click', () => {
    if (client.state().name === 'closed') void client.connect().catch(() => {})
    else client.disconnect()
  })
  client.on('state', (state) => {
    write(text, stateText(state))
    set(text, { 'data-state': state.name })
    write(button, state.name === 'closed' ? 'Go online' : 'Go offline')
  })
  const avatar = make('span', { class: 'avatar', 'aria-hidden': 'true' }, user.nick_name.slice(0, 1))
  return make('header', {}, avatar, make('h2', {}, user.nick_name), text, button)
}

/** Calls at most once a frame: a sync of thousands of messages is one change of the page. */
function oncePerFrame(draw: () => void): () => void {
  let isDue = false
  return () => {
    if (isDue) return
    isDue = true
    // A timer rather than a frame: a tab in the background has none, and its title counts all the same.
    setTimeout(() => {
      isDue = false
      draw()
    }, 16)
  }
}

/** A button that makes a group of all demo users. */
function groupButton(client: Client, users: readonly DemoUser[], onMade: (group_id: number) => void) {
  const button = make('button', { type: 'button', class: 'line' }, 'New group')
  button.addEventListener('click', async () => {
    const count = client.sessions().filter((each) => each.session_type === SessionType.GROUP).length
    const members = users.map(({ user_id }) => user_id)
    const name = `Coffee break ${count + 1}`
    await client.groups.create(members, name).then(
      ({ group_id }) => onMade(group_id),
      (error: Error) => set(button, { title: error.message }),
    )
  })
  return button
}

/** Reads what is shown, where somebody looks at it. */
function readOpen(client: Client, session: Session | undefined, element: Element): void {
  const isSeen = document.visibilityState === 'visible' && element.getClientRects().length > 0
  if (session !== undefined && session.unread > 0 && isSeen && client.state().name === 'online')
    client.markRead(session)
}

/** Not connected before `start`. */
export function createPane(user: DemoUser, users: readonly DemoUser[], names: Names): Pane {
  const server = location.origin
  const addresses = [`${server.replace('http', 'ws')}/ws`]
  const client = createClient({ user_id: user.user_id, token: user.token, addresses })
  const peers = users.map(({ user_id }) => user_id).filter((id) => id !== user.user_id)
  let open = peers[0] ?? user.user_id

  const redraw = oncePerFrame(draw)
  const store = createStore(client, redraw)
  const conversation = createConversation(user.user_id, names, client.files)
  const sessions = createSessionsView(names, peers, choose)
  const notices = createNotices()
  const title = make('h3', {})
  const onFile = (file: File) => store.sendFile(open, file)
  const composer = createComposer(user.nick_name, { onText: (text) => store.send(open, text), onFile })
  const top = make('div', { class: 'title' }, title, groupButton(client, users, choose))
  const element = make(
    ...(['section', { class: 'pane', 'aria-label': user.nick_name }] as const),
    ...[createHead(user, client), sessions.element, top, notices.element, conversation.element, composer],
  )
  takeDrops(element, onFile)

  function draw(): void {
    const listed = client.sessions()
    readOpen(
      client,
      listed.find(({ session_id }) => session_id === open),
      element,
    )
    write(title, names.of(open))
    sessions.show(client.sessions(), open)
    conversation.show(open, store.messages(open), store.unsent(open), store.readUpTo(open))
    const groups = listed.flatMap((each) => (each.session_type === SessionType.GROUP ? each.session_id : []))
    void names.learn(client, groups)
  }
  function choose(session_id: number): void {
    open = session_id
    redraw()
  }

  names.onLearned(redraw)
  client.on('message', store.add)
  client.on('sessions', redraw)
  client.on('synced', () => void store.refresh(open))
  client.on('push', notices.add)
  client.on('read', ({ user_id, session_id, session_type, server_msg_id = 0 }) => {
    if (user_id !== user.user_id && session_type === SessionType.SINGLE)
      store.peerRead(session_id, server_msg_id)
  })
  document.addEventListener('visibilitychange', redraw)
  new ResizeObserver(redraw).observe(element)

  return {
    element,
    start() {
      redraw()
      client.connect().catch(() => {}) // the state says why
    },
  }
}
