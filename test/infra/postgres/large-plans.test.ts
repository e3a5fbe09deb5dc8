/** The hot path of large groups, contacts and session settings finds what it needs by index, however much is stored. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { createContactChanges, createContactDirectory } from '../../../infra/postgres/contacts.js'
import { createAckStore, createDeliveryStates } from '../../../infra/postgres/deliveries.js'
import { createGroupFanout } from '../../../infra/postgres/fanout.js'
import { createMessageHistory } from '../../../infra/postgres/history.js'
import { createMessageStore } from '../../../infra/postgres/messages.js'
import { createPool } from '../../../infra/postgres/pool.js'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import { createReceipts } from '../../../infra/postgres/receipts.js'
import { createRetention } from '../../../infra/postgres/retention.js'
import { createSessionChanges } from '../../../infra/postgres/session-changes.js'
import { createSessionLists } from '../../../infra/postgres/sessions.js'
import { settleSessions } from '../../../infra/postgres/settlement.js'
import { createTimelines } from '../../../infra/postgres/timelines.js'
import { type FreshDatabase, freshDatabase } from '../../helpers/database.js'
import { silentLog } from '../../helpers/log.js'
import { message } from '../../helpers/new-message.js'
import { rowsOf } from '../../helpers/rows.js'
import { watchScans } from '../../helpers/scans.js'

const firstGroup = 2 ** 48
const groups = 100
/** Of each group, and how far apart the first ones of two groups are. */
const members = 300
const apart = 20
const messages = 60

let database: FreshDatabase
let pool: pg.Pool
let findsByIndex: ReturnType<typeof watchScans>['findsByIndex']

const watched = [
  'im_message%',
  'im_session',
  'im_group_member',
  'im_group_ack%',
  'im_contact',
  'im_conversation',
  'im_file_message',
  'im_timeline_span',
  'im_push_ledger',
  'im_push_receiver',
]

before(async () => {
  database = await freshDatabase()
  pool = createPool(database.url, 1, silentLog)
  ;({ findsByIndex } = watchScans(pool, watched))
  await pool.query(`INSERT INTO im_user (user_id, nick_name, created, updated)
    SELECT n, '', 0, 0 FROM generate_series(1, 2500) n`)
  await pool.query(`INSERT INTO im_group (group_id, group_name, owner_id, create_user_id, member_count, create_time,
      update_time) SELECT ${firstGroup} + g, '', g * ${apart}, g * ${apart}, ${members}, 0, 0
                     FROM generate_series(1, ${groups}) g`)
  await pool.query(`INSERT INTO im_conversation (conversation, last_msg_id, counted)
    SELECT 'g:' || group_id, ${messages}, ${messages} FROM im_group
    UNION ALL SELECT 'c:' || n || ':' || n + 1, 1, 0 FROM generate_series(1, 2400) n`)
  await pool.query(`INSERT INTO im_group_diffusion SELECT group_id, 1, true FROM im_group`)
  await pool.query(`INSERT INTO im_group_member (group_id, user_id, joined_at_msg_id, created, by_reading)
    SELECT group_id, owner_id + n, 1, 0, true FROM im_group, generate_series(0, ${members - 1}) n`)
  await pool.query(`INSERT INTO im_message_group (group_id, msg_id, msg_from, client_msg_id, client_type, msg_type,
      content, cmd_id, msg_seq, send_time, counted)
    SELECT group_id, n, owner_id, group_id || '-' || n, 1, 1, 'hello', 769, 1, n, n
      FROM im_group, generate_series(1, ${messages}) n`)
  await pool.query(`INSERT INTO im_message_send (from_id, client_msg_id, msg_id, to_id, group_id, msg_type, msg_content,
      content_hash, cmd_id, msg_seq, client_type, created, updated)
    SELECT msg_from, client_msg_id, msg_id, group_id, group_id, 1, 'hello', '', 769, 1, 1, 0, 0 FROM im_message_group`)
  await pool.query(`INSERT INTO im_session (user_id, session_type, peer_id, last_msg_id, settled_msg_id, created, updated)
    SELECT user_id, 2, group_id, 20, 20, 0, 0 FROM im_group_member`)
  await pool.query(`INSERT INTO im_group_ack SELECT user_id, group_id, '2', '{[1,30)}' FROM im_group_member`)
  await pool.query(`INSERT INTO im_contact (user_id, peer_id, state, version, request_time, created, updated)
    SELECT u, u + p, 3, p, 0, 0, 0 FROM generate_series(1, 2400) u, generate_series(1, 20) p`)
  await pool.query(`INSERT INTO im_contact_list SELECT n, 20 FROM generate_series(1, 2500) n`)
  // On a connection without time limits: so many rows take their time on a busy machine.
  await rowsOf(database.url, 'VACUUM ANALYZE')
})
after(async () => {
  await pool.end()
  await database.drop()
})

const groupOf = (n: number) => firstGroup + n * 3
/** A member of that group who is not its owner, each time another one. */
const memberOf = (n: number) => n * 3 * apart + n
const inGroup = (n: number) => ({ user_id: memberOf(n), peer_id: groupOf(n) })

test('a query that reads a table from end to end is noticed', async () => {
  await assert.rejects(
    findsByIndex(() => pool.query('SELECT count(*) FROM im_group_ack WHERE isempty(numbers)')),
    assert.AssertionError,
  )
})

test('sessions with large groups are settled by index', async () => {
  await findsByIndex((n) => settleSessions(pool, [memberOf(n), memberOf(n + 12)]))
  const { rows } = await pool.query<{ settled_msg_id: number }>({
    text: 'SELECT settled_msg_id FROM im_session WHERE user_id = $1 AND session_type = 2 AND peer_id = $2',
    values: [memberOf(1), groupOf(1)],
  })
  assert.equal(rows[0]?.settled_msg_id, messages, 'there was something to settle')
})

test('what is not settled is counted by index, for the badge of a push', async () => {
  const badge = (user: number) => pool.query({ text: 'SELECT im_unsettled($1) AS count', values: [user] })
  await findsByIndex((n) => badge(1_000 + n))
  const { rows } = await badge(1_000)
  assert.ok(rows[0].count > 0, 'there was something to count')
})

test('messages to large groups are stored, fanned out, acked and looked after by index', async () => {
  const store = createMessageStore(pool)
  const fanout = createGroupFanout(pool)
  await findsByIndex((n) =>
    store.store([n, n + 1].map((each) => message(memberOf(each), groupOf(each), { msg_id: `stored-${n}` }))),
  )
  await findsByIndex((n) => fanout.fanOut([{ group_id: groupOf(n), server_msg_id: messages }]))
  const key = (n: number) => ({
    reader_user_id: memberOf(n),
    from_user_id: n * 3 * apart,
    msg_id: `${groupOf(n)}-50`,
    conversation: `g:${groupOf(n)}`,
    server_msg_id: 50,
  })
  await findsByIndex((n) => createAckStore(pool).flush([{ ...key(n), device: '2', time: 1 }], async () => {}))
  await findsByIndex((n) => createDeliveryStates(pool).of([key(n), key(n + 1)]))
  await findsByIndex((n) => createReceipts(pool).of([{ user_id: n * 3 * apart, msg_id: `${groupOf(n)}-50` }]))
})

test('a member of large groups pulls lists, pages and the timeline, and reads, by index', async () => {
  const lists = createSessionLists(pool)
  const history = createMessageHistory(pool)
  const timelines = createTimelines(pool)
  const marks = createReadMarks(pool)
  await findsByIndex((n) =>
    lists.pages([{ user_id: memberOf(n), changed_since_s: 0, limit: 20 }], 4_096, 1_000_000),
  )
  await findsByIndex((n) => history.pages([{ ...inGroup(n), before: 40, limit: 10 }]))
  await findsByIndex((n) => timelines.pages([{ user_id: memberOf(n), cursor: 0, limit: 100 }]))
  await findsByIndex((n) => marks.mark([{ ...inGroup(n), msg_id: '', server_msg_id: 5 + n, time: n }]))
})

test('settings of sessions are changed by index', async () => {
  const changes = createSessionChanges(pool)
  await findsByIndex((n) =>
    changes.apply([
      {
        user_id: memberOf(n),
        session_type: 2,
        session_id: groupOf(n),
        pinned: true,
        muted: undefined,
        session_status: undefined,
        draft: 'a draft',
        extend_data: undefined,
        appended: n,
        offset: n,
      },
    ]),
  )
})

test('contacts are judged, changed and listed by index, and found by who stores a message', async () => {
  const changes = createContactChanges(pool)
  const directory = createContactDirectory(pool, 'friends')
  const blocked = { state: 0, blocked: true, remark: '', greeting: '' }
  await findsByIndex((n) =>
    changes.apply([
      {
        user_id: n * 11,
        peers: [n * 11 + 3],
        time: n,
        judge: () => ({
          kind: 'planned',
          changes: [{ user_id: n * 11, peer_id: n * 11 + 3, relation: blocked }],
        }),
      },
    ]),
  )
  await findsByIndex((n) => directory.changedSince(n * 11, 10, 20))
  await findsByIndex((n) => directory.reachable(n * 11, 20))
  const store = createMessageStore(pool, 'friends')
  await findsByIndex((n) => store.store([message(n * 11, n * 11 + 1, { msg_id: `to a friend ${n}` })]))
})

test('what is too old is found and removed by index', async () => {
  const retention = createRetention(pool)
  const user = (n: number) => [n * 7, n * 7 + 1]
  await findsByIndex((n) => retention.conversations(`g:${groupOf(n)}`, 1))
  await findsByIndex(async (n) => {
    const { removed } = await retention.removeMessages(`g:${groupOf(n + 20)}`, 10)
    assert.ok(removed > 0, 'there was something to remove')
  })
  await findsByIndex((n) => retention.removeMessages(`c:${n * 11}:${n * 11 + 1}`, 2 ** 45))
  await findsByIndex((n) => retention.removeEmptySpans(user(n)))
  await findsByIndex((n) => retention.removeDeliveries(user(n), 2 ** 45))
  await findsByIndex((n) => retention.removeGroupAcks(user(n)))
  await findsByIndex((n) => retention.removeLedger(user(n), 10))
  await findsByIndex((n) => retention.removeDevices(user(n), 10))
  await findsByIndex((n) => retention.removePushes(n))
})
