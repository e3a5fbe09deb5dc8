/** What the org tree means for who may write to whom (STRANGER_POLICY=organization), on the real PostgreSQL. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { createContactChanges, createContactDirectory } from '../../../infra/postgres/contacts.js'
import { createMessageStore, type StrangerPolicy } from '../../../infra/postgres/messages.js'
import { createPool } from '../../../infra/postgres/pool.js'
import type { NewMessage } from '../../../workers/ports/messages.js'
import { silentLog } from '../../helpers/log.js'
import { message } from '../../helpers/new-message.js'
import { gone, orgOfTests, robot, tree } from '../../helpers/org-tree.js'

const [inBlack, notFriend, unknownUser] = [3, 8, 9]
const { pool, url, diffOf } = orgOfTests()

/** Writes down what the first thinks of the second. */
const relate = (user_id: number, peer_id: number, given: { state?: number; blocked?: boolean }) =>
  createContactChanges(pool()).apply([
    {
      user_id,
      peers: [peer_id],
      time: 1,
      judge: () => ({
        kind: 'planned',
        changes: [
          { user_id, peer_id, relation: { state: 0, blocked: false, remark: '', greeting: '', ...given } },
        ],
      }),
    },
  ])

const codesOf = async (messages: readonly NewMessage[], policy: StrangerPolicy) =>
  (await createMessageStore(pool(), policy).store(messages)).map(({ res_code }) => res_code)

test('where only colleagues may write, both have to be in the tree; robots, and a user to themselves, may', async () => {
  await relate(23, 20, { state: 3 })
  await relate(22, 20, { blocked: true })
  await diffOf(
    tree({ a: 'root', b: 'root' }, [
      [20, 'a'],
      [20, 'b'],
      [21, 'b'],
      [22, 'a'],
    ]),
  )
  const batch = () => [
    message(20, 21), // colleagues
    message(20, 22), // who has blocked
    message(20, 23), // a friend from elsewhere
    message(23, 20),
    message(23, 24), // both elsewhere
    message(23, 23),
    message(20, robot),
    message(robot, 23),
    message(20, gone),
  ]
  const byColleagues = [0, inBlack, notFriend, notFriend, notFriend, 0, 0, 0, unknownUser]
  assert.deepEqual(await codesOf(batch(), 'organization'), byColleagues)
  const byFriends = [notFriend, inBlack, 0, notFriend, notFriend, 0, 0, 0, unknownUser]
  assert.deepEqual(await codesOf(batch(), 'friends'), byFriends)
  assert.deepEqual(await codesOf(batch(), 'anyone'), [0, inBlack, 0, 0, 0, 0, 0, 0, unknownUser])
})

test('who is taken out of the tree writes no more; what was stored before is acked again', async () => {
  await diffOf(
    tree({}, [
      [25, 'root'],
      [26, 'root'],
    ]),
  )
  const before = message(25, 26)
  assert.deepEqual(await codesOf([before], 'organization'), [0])
  await diffOf(tree({}, [[25, 'root']]))
  assert.deepEqual(await codesOf([message(25, 26), message(26, 25), before], 'organization'), [
    notFriend,
    notFriend,
    0,
  ])
})

test('the users whom a colleague may write to are those of the tree, friends first', async () => {
  await relate(30, 35, { state: 3 })
  await relate(30, 36, { state: 3 })
  await relate(33, 30, { blocked: true })
  await diffOf(
    tree({ a: 'root' }, [
      [30, 'a'],
      [31, 'a'],
      [32, 'root'],
      [32, 'a'],
      [33, 'a'],
      [35, 'a'],
    ]),
  )
  const reachable = async (user_id: number, limit = 50) =>
    (await createContactDirectory(pool(), 'organization').reachable(user_id, limit)).map(
      (each) => each.user_id,
    )
  assert.deepEqual(await reachable(30), [35, 31, 32])
  assert.deepEqual(await reachable(30, 2), [35, 31])
  assert.deepEqual(await reachable(36), [])
})

test('a message looks at the tree by index where the policy wants that, and not at all where it does not', async (t) => {
  const alone: pg.Pool = createPool(url(), 1, silentLog) // one connection: its counters are flushed when asked for
  t.after(() => alone.end())
  const store = async (policy: StrangerPolicy) => {
    await createMessageStore(alone, policy).store(Array.from({ length: 5 }, () => message(40, 41)))
    await alone.query('SELECT pg_stat_force_next_flush()')
    const { rows } = await alone.query<{ by_index: number; whole: number }>(
      `SELECT idx_scan::integer AS by_index, seq_scan::integer AS whole
         FROM pg_stat_user_tables WHERE relname = 'im_org_member'`,
    )
    return rows[0]!
  }
  const first = await store('anyone')
  assert.deepEqual(await store('friends'), first)
  assert.deepEqual(await store('anyone'), first)
  let last = first
  for (let n = 0; n < 8; n++) last = await store('organization')
  assert.ok(last.by_index > first.by_index)
  assert.equal(last.whole, first.whole)
})
