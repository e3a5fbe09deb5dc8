/** Settings of sessions on the real PostgreSQL: spec 2, "Session settings"; promise I7. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createSessionChanges } from '../../../infra/postgres/session-changes.js'
import { createSessionLists } from '../../../infra/postgres/sessions.js'
import type { SessionChange, SessionChanges } from '../../../workers/ports/session-changes.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'
import { storeGroup } from '../../helpers/stored-group.js'

let chat: StoredChat
let changes: SessionChanges
before(async () => {
  chat = await openStoredChat()
  changes = createSessionChanges(chat.pool)
})
after(() => chat.close())

let offset = 0
/** A change of a record of its own, unless it says which. */
const change = (user_id: number, session_id: number, more: Partial<SessionChange>): SessionChange => ({
  user_id,
  session_type: session_id >= 2 ** 48 ? 2 : 1,
  session_id,
  pinned: undefined,
  muted: undefined,
  session_status: undefined,
  draft: undefined,
  extend_data: undefined,
  appended: Date.now(),
  offset: offset++,
  ...more,
})

const statusOf = async (user: number, peer: number) => (await chat.session(user, peer))?.session_status

test('what a change names is set, what it does not name stays, an empty text is removed', async () => {
  await chat.say(11, 10, 'hello')
  const [first] = await changes.apply([change(10, 11, { pinned: true, draft: 'well …', extend_data: '{}' })])
  const set = { pinned: true, muted: false, session_status: 0, draft: 'well …', extend_data: '{}' }
  assert.ok(first && Math.abs(first.updated_s - Date.now() / 1000) < 10)
  assert.deepEqual(first, { ...set, updated_s: first.updated_s })
  const [second] = await changes.apply([change(10, 11, { muted: true, pinned: false, draft: '' })])
  assert.deepEqual(
    { ...second, updated_s: 0 },
    { ...set, pinned: false, muted: true, draft: null, updated_s: 0 },
  )
  const theirs = await chat.session(11, 10)
  assert.deepEqual([theirs?.pinned, theirs?.muted, theirs?.draft], [false, false, null])
})

test('the list shows the settings', async () => {
  await chat.say(16, 15, 'hello')
  await changes.apply([change(15, 16, { pinned: true, muted: true, draft: 'later', extend_data: 'x' })])
  const asked = [{ user_id: 15, changed_since_s: 0, limit: 10 }]
  const [page] = await createSessionLists(chat.pool).pages(asked, 4_096, 1_048_576)
  const [listed] = page?.sessions ?? []
  assert.deepEqual(
    [listed?.pinned, listed?.muted, listed?.draft, listed?.extend_data],
    [true, true, 'later', 'x'],
  )
})

test('changes of one batch are applied in order, and each is answered with what it left', async () => {
  await chat.say(21, 20, 'hello')
  await chat.say(20, 22, 'hello')
  const answered = await changes.apply([
    change(20, 22, { draft: 'a' }),
    change(20, 21, { muted: true }),
    change(20, 22, { draft: 'b' }),
    change(20, 21, { muted: false }),
  ])
  assert.deepEqual(
    answered.map((each) => each?.draft ?? each?.muted),
    ['a', true, 'b', false],
  )
})

test('a session that is not there is not made', async () => {
  assert.deepEqual(
    await changes.apply([change(30, 31, { pinned: true }), change(30, 2 ** 48 + 99, { pinned: true })]),
    [undefined, undefined],
  )
  assert.equal(await chat.session(30, 31), undefined)
})

test('a deleted session counts in no total, and comes back with the next message and all that is unread', async () => {
  await chat.sayMany(41, 40, 2)
  await changes.apply([change(40, 41, { session_status: 1 })])
  const total = async () =>
    (
      await createSessionLists(chat.pool).pages(
        [{ user_id: 40, changed_since_s: 0, limit: 10 }],
        4_096,
        1_048_576,
      )
    )[0]?.unread_total
  assert.deepEqual([await statusOf(40, 41), await total()], [1, 0])
  assert.equal(await statusOf(41, 40), 0)
  await chat.say(41, 40, 'still there?')
  assert.deepEqual([await statusOf(40, 41), await total()], [0, 3])
})

test('a deleted session of a group comes back with the next message', async () => {
  const group = await storeGroup(chat.pool, [51, 52])
  await group.say(51, 'hello')
  const status = async () => {
    const { rows } = await chat.pool.query<{ session_status: number }>({
      text: 'SELECT session_status FROM im_session WHERE user_id = 52 AND session_type = 2 AND peer_id = $1',
      values: [group.group_id],
    })
    return rows[0]?.session_status
  }
  await changes.apply([change(52, group.group_id, { session_status: 1 })])
  assert.equal(await status(), 1)
  await group.say(51, 'hello again')
  assert.equal(await status(), 0)
})

test('a record that comes again hides no message that has come since, and is answered with what is', async () => {
  await chat.say(61, 60, 'hello')
  const first = change(60, 61, { session_status: 1 })
  const second = change(60, 61, { pinned: true, appended: first.appended })
  await changes.apply([first, second])
  await chat.say(61, 60, 'news')
  const again = await changes.apply([first, second])
  assert.deepEqual(
    again.map((each) => [each?.session_status, each?.pinned]),
    [
      [0, true],
      [0, true],
    ],
  )
})

test('records of a topic that was made anew, or of a broker whose clock is behind, are new', async () => {
  await chat.say(71, 70, 'hello')
  await changes.apply([change(70, 71, { draft: 'a', appended: 1_000, offset: 500 })])
  const [restarted] = await changes.apply([change(70, 71, { draft: 'b', appended: 2_000, offset: 0 })])
  const [behind] = await changes.apply([change(70, 71, { draft: 'c', appended: 1_500, offset: 1 })])
  assert.deepEqual([restarted?.draft, behind?.draft], ['b', 'c'])
})

test('changes and messages at the same moment wait for each other in no circle', async () => {
  const peers = [81, 82, 83, 84]
  for (const peer of peers) await chat.say(peer, 80, 'hello')
  const rounds = Array.from({ length: 10 }, (_, at) => at)
  await Promise.all(
    rounds.flatMap((at) => [
      changes.apply(peers.toReversed().map((peer) => change(80, peer, { draft: `${at}` }))),
      ...peers.map((peer) => chat.say(80, peer, 'hello')),
      changes.apply(peers.map((peer) => change(peer, 80, { muted: at % 2 === 0 }))),
    ]),
  )
  assert.equal((await chat.session(80, 81))?.last_msg_id, 11)
})
