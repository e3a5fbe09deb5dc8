/** Who is a robot, on the real PostgreSQL. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createRobotDirectory } from '../../../infra/postgres/robots.js'
import { createSessionLists } from '../../../infra/postgres/sessions.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'

let chat: StoredChat
before(async () => {
  chat = await openStoredChat()
  await chat.say(1, 2, 'hello')
  await chat.say(1, 3, 'hello')
  await chat.pool.query(
    `UPDATE im_user SET robot_webhook = 'http://robot/' || user_id, robot_secret = 'secret' WHERE user_id IN (2, 4)`,
  )
})
after(() => chat.close())

test('robots are found among users by their webhook', async () => {
  const robots = createRobotDirectory(chat.pool)
  assert.deepEqual(await robots.among([1, 2, 2, 3, 99]), new Set([2]))
  assert.deepEqual(await robots.of([1, 2]), new Map([[2, { webhook: 'http://robot/2', secret: 'secret' }]]))
})

test('for nobody nothing is asked', async () => {
  const robots = createRobotDirectory(undefined as never)
  assert.deepEqual([await robots.among([]), await robots.of([])], [new Set(), new Map()])
})

test('a session is a robot session for as long as its peer is a robot', async () => {
  const lists = createSessionLists(chat.pool)
  const shown = async () => {
    const [page] = await lists.pages([{ user_id: 1, changed_since_s: 0, limit: 10 }], 4_096, 1_048_576)
    return Object.fromEntries(page!.sessions.map((each) => [each.session_id, each.is_robot_session]))
  }
  assert.deepEqual(await shown(), { 2: true, 3: false })
  await chat.pool.query('UPDATE im_user SET robot_webhook = NULL WHERE user_id = 2')
  assert.deepEqual(await shown(), { 2: false, 3: false })
})
