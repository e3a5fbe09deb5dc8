/**
 * What is pulled or marked is found by index, however much is stored: no query reads a message table or the
 * session table from end to end. Counted by PostgreSQL itself, so what functions do inside counts too.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { createAckStore, createDeliveryStates } from '../../../infra/postgres/deliveries.js'
import { createGroupFanout } from '../../../infra/postgres/fanout.js'
import { createGroupChanges } from '../../../infra/postgres/group-changes.js'
import { createGroupDirectory } from '../../../infra/postgres/groups.js'
import { createMessageHistory } from '../../../infra/postgres/history.js'
import { createMessageStore } from '../../../infra/postgres/messages.js'
import { createPool } from '../../../infra/postgres/pool.js'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import { createReceipts } from '../../../infra/postgres/receipts.js'
import { createSessionLists } from '../../../infra/postgres/sessions.js'
import { createTimelines } from '../../../infra/postgres/timelines.js'
import { type FreshDatabase, freshDatabase } from '../../helpers/database.js'
import { silentLog } from '../../helpers/log.js'
import { message } from '../../helpers/new-message.js'
import { rowsOf } from '../../helpers/rows.js'
import { watchScans } from '../../helpers/scans.js'

const firstGroup = 2 ** 48

let database: FreshDatabase
let pool: pg.Pool
let findsByIndex: ReturnType<typeof watchScans>['findsByIndex']

before(async () => {
  database = await freshDatabase()
  pool = createPool(database.url, 1, silentLog)
  ;({ findsByIndex } = watchScans(pool, ['im_message%', 'im_session', 'im_group_member']))
  await pool.query(`INSERT INTO im_user (user_id, nick_name, created, updated)
    SELECT n, '', 0, 0 FROM generate_series(1, 400) n`)
  // Every user with 100 others, three messages each.
  await pool.query(`CREATE TEMP TABLE said AS
    SELECT a, b, n, a || '-' || b || '-' || n AS id
      FROM generate_series(1, 400) a, generate_series(1, 400) b, generate_series(1, 3) n
     WHERE a < b AND (a + b) % 4 = 0`)
  await pool.query(`INSERT INTO im_message_send (from_id, client_msg_id, msg_id, to_id, msg_type, msg_content,
      content_hash, cmd_id, msg_seq, client_type, created, updated)
    SELECT a, id, n, b, 1, 'hello', '', 769, 1, 1, n, n FROM said`)
  await pool.query(`INSERT INTO im_message_recv (msg_to, conversation, msg_id, msg_from, client_msg_id, client_type,
      msg_type, content, cmd_id, msg_seq, send_time)
    SELECT b, 'c:' || a || ':' || b, n, a, id, 1, 1, 'hello', 769, 1, n FROM said`)
  await pool.query(`INSERT INTO im_session (user_id, session_type, peer_id, last_msg_id, unread, created, updated)
    SELECT a, 1, b, 3, 0, 0, n * 1000 FROM said WHERE n = 3
    UNION ALL SELECT b, 1, a, 3, 3, 0, n * 1000 FROM said WHERE n = 3`)
  await sayInGroups()
  // On a connection without time limits: so many rows take their time on a busy machine.
  await rowsOf(database.url, 'VACUUM ANALYZE')
})

/** 300 groups of ten members, 20 messages each. */
async function sayInGroups(): Promise<void> {
  await pool.query(`INSERT INTO im_group (group_id, group_name, owner_id, create_user_id, member_count, create_time,
      update_time) SELECT ${firstGroup} + g, '', g, g, 10, 0, 0 FROM generate_series(1, 300) g`)
  await pool.query(`INSERT INTO im_conversation SELECT 'g:' || group_id, 20 FROM im_group`)
  await pool.query(`INSERT INTO im_group_member (group_id, user_id, joined_at_msg_id, created)
    SELECT group_id, owner_id + n, 1, 0 FROM im_group, generate_series(0, 9) n`)
  await pool.query(`INSERT INTO im_message_group (group_id, msg_id, msg_from, client_msg_id, client_type, msg_type,
      content, cmd_id, msg_seq, send_time)
    SELECT group_id, n, owner_id, group_id || '-' || n, 1, 1, 'hello', 769, 1, n
      FROM im_group, generate_series(1, 20) n`)
  await pool.query(`INSERT INTO im_message_send (from_id, client_msg_id, msg_id, to_id, group_id, msg_type, msg_content,
      content_hash, cmd_id, msg_seq, client_type, created, updated)
    SELECT msg_from, client_msg_id, msg_id, group_id, group_id, 1, 'hello', '', 769, 1, 1, 0, 0 FROM im_message_group`)
  await pool.query(`INSERT INTO im_message_recv (msg_to, conversation, msg_id, msg_from, group_id, client_msg_id,
      client_type, msg_type, cmd_id, msg_seq, send_time)
    SELECT m.user_id, 'g:' || group_id, g.msg_id, g.msg_from, group_id, g.client_msg_id, 1, 1, 769, 1, 0
      FROM im_message_group g JOIN im_group_member m USING (group_id) WHERE m.user_id <> g.msg_from AND g.msg_id < 20`)
  await pool.query(`INSERT INTO im_session (user_id, session_type, peer_id, last_msg_id, created, updated)
    SELECT user_id, 2, group_id, 19, 0, 0 FROM im_group_member`)
}
after(async () => {
  await pool.end()
  await database.drop()
})

test('a query that reads a table from end to end is noticed', async () => {
  const longest = 'SELECT max(length(client_msg_id)) FROM im_message_recv'
  await assert.rejects(
    findsByIndex(() => pool.query(longest)),
    assert.AssertionError,
  )
})

test('history, the latest id and messages by id are found by index', async () => {
  const history = createMessageHistory(pool)
  const pair = (n: number) => ({ user_id: 2 * n, peer_id: 2 * n + 4 })
  const pairs = (n: number) => [pair(n), pair(n + 20), pair(n + 40)]
  await findsByIndex((n) => history.pages(pairs(n).map((each) => ({ ...each, before: 4, limit: 20 }))))
  await findsByIndex((n) => history.latest(pairs(n)))
  await findsByIndex((n) =>
    history.byIds([
      { user_id: 2 * n + 4, peer_id: 2 * n, msg_ids: [`${2 * n}-${2 * n + 4}-1`, `${2 * n}-${2 * n + 4}-2`] },
    ]),
  )
})

test('session lists are found by index', async () => {
  const lists = createSessionLists(pool)
  await findsByIndex((n) => lists.pages([{ user_id: n, changed_since_s: 0, limit: 20 }], 4_096, 1_000_000))
  await findsByIndex((n) =>
    lists.pages([{ user_id: n, changed_since_s: 3, limit: 100_000 }], 4_096, 1_000_000),
  )
})

test('read positions are moved by index', async () => {
  const marks = createReadMarks(pool)
  await findsByIndex((n) =>
    marks.mark([
      { user_id: 2 * n + 4, peer_id: 2 * n, msg_id: '', server_msg_id: 1, time: n },
      { user_id: 2 * n + 8, peer_id: 2 * n, msg_id: `${2 * n}-${2 * n + 8}-2`, server_msg_id: 0, time: n },
    ]),
  )
})

test('group messages are stored, fanned out and acked by index', async () => {
  const store = createMessageStore(pool)
  const fanout = createGroupFanout(pool)
  const group = (n: number) => firstGroup + n * 7
  await findsByIndex((n) =>
    store.store([n, n + 1].map((each) => message(each * 7, group(each), { msg_id: `stored-${n}` }))),
  )
  await findsByIndex((n) =>
    fanout.fanOut([n, n + 20].map((each) => ({ group_id: group(each), server_msg_id: 20 }))),
  )
  const key = (n: number) => ({
    reader_user_id: n * 7 + 1,
    from_user_id: n * 7,
    msg_id: `${group(n)}-20`,
    conversation: `g:${group(n)}`,
    server_msg_id: 20,
  })
  await findsByIndex((n) => createAckStore(pool).flush([{ ...key(n), device: '2', time: 1 }], async () => {}))
  await findsByIndex((n) => createDeliveryStates(pool).of([key(n), key(n + 1)]))
})

/** The second member of group n. */
const inGroup = (n: number) => ({ user_id: n + 1, peer_id: firstGroup + n })

test('history, the latest id and messages by id of groups are found by index', async () => {
  const history = createMessageHistory(pool)
  const groups = (n: number) => [inGroup(n), inGroup(n + 20), inGroup(n + 40)]
  await findsByIndex((n) => history.pages(groups(n).map((each) => ({ ...each, before: 15, limit: 10 }))))
  await findsByIndex((n) => history.latest(groups(n)))
  await findsByIndex((n) =>
    history.byIds([{ ...inGroup(n), msg_ids: [`${firstGroup + n}-1`, `${firstGroup + n}-2`] }]),
  )
})

test('read positions in groups are moved by index', async () => {
  const marks = createReadMarks(pool)
  await findsByIndex((n) =>
    marks.mark([
      { ...inGroup(n), msg_id: '', server_msg_id: 5, time: n },
      { ...inGroup(n + 20), msg_id: `${firstGroup + n + 20}-7`, server_msg_id: 0, time: n },
    ]),
  )
})

test('receipts of group messages and of single ones are found by index', async () => {
  const receipts = createReceipts(pool)
  await findsByIndex((n) =>
    receipts.of([
      { user_id: n, msg_id: `${firstGroup + n}-3` },
      { user_id: 2 * n, msg_id: `${2 * n}-${2 * n + 4}-1` },
    ]),
  )
})

test('a timeline is extended and read by index', async () => {
  const timelines = createTimelines(pool)
  await findsByIndex((n) => timelines.pages([{ user_id: n, cursor: 0, limit: 100 }]))
  await findsByIndex((n) => timelines.pages([{ user_id: n, cursor: 150, limit: 100 }]))
})

test('groups and their members are found by index, for who asks and for who changes them', async () => {
  const directory = createGroupDirectory(pool)
  await findsByIndex((n) => directory.ofUser(n + 20))
  await findsByIndex((n) => directory.of([firstGroup + n, firstGroup + n + 1], n))
  await findsByIndex((n) => directory.member(firstGroup + n, n))
  await findsByIndex((n) => directory.members({ group_id: firstGroup + n, after: n, limit: 5 }))
  const changes = createGroupChanges(pool, { writeDiffusionMax: 500 })
  await findsByIndex((n) =>
    changes.apply([
      {
        msg_id: `change ${n}`,
        digest: Buffer.from('digest'),
        group_id: firstGroup + n,
        operator: undefined,
        owner_id: undefined,
        named: [n, n + 1, n + 50],
        joinExpires_ms: 60_000,
        msg_seq: 1,
        client_type: 2,
        judge: () => ({
          kind: 'planned',
          plan: {
            from: n,
            notification: { notification: 'group.changed', data: { operator: `${n}`, members: [] } },
            group: { owner_id: n + 1 },
            added: [n + 50],
            removed: [n + 2],
            roles: [{ user_id: n + 1, role: 2 }],
            muted: { members: [n + 3], until: 5 },
            joins: [{ user_id: n + 4, kind: 2, from_user_id: n, state: 1, join_text: '' }],
          },
        }),
      },
    ]),
  )
})
