/** Storing group messages on the real PostgreSQL: promises I1, I2 and I4 for groups. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { createMessageStore } from '../../../infra/postgres/messages.js'
import type { NewMessage } from '../../../workers/ports/messages.js'
import { groupSessions, insertGroup } from '../../helpers/group-rows.js'
import { message } from '../../helpers/new-message.js'
import { populated } from '../../helpers/populated.js'

const deactivated = 99

let pool: pg.Pool
let close: () => Promise<void>
before(async () => {
  ;({ pool, close } = await populated(99, { gone: deactivated }))
})
after(() => close())

const store = (...messages: NewMessage[]) => createMessageStore(pool).store(messages)

const sessions = (group: number, ...users: number[]) => groupSessions(pool, group, users)

test('numbers go on from those of the group, whoever writes, one sequence per group', async () => {
  const [one, other] = [await insertGroup(pool, [1, 2, 3]), await insertGroup(pool, [1, 2])]
  const stored = await store(message(1, one), message(2, one), message(1, other), message(3, one))
  assert.deepEqual(
    stored.map((each) => [each.res_code, each.server_msg_id]),
    [
      [0, 2],
      [0, 3],
      [0, 2],
      [0, 4],
    ],
  )
})

test('a group message lies once with its sender and once with its group, and in the sender’s list', async () => {
  const group = await insertGroup(pool, [1, 2])
  const sent = message(1, group, { attach: '{}', mention: [2], msg_seq: 7 })
  const [stored] = await store(sent)
  const { rows } = await pool.query({
    text: `SELECT g.group_id, g.msg_id, g.msg_from, g.client_msg_id, g.client_type, g.msg_type, g.content, g.attach,
                  g.mention, g.cmd_id, g.msg_seq, g.send_time, s.to_id, s.group_id AS sent_group, s.msg_id AS sent_id
             FROM im_message_group g JOIN im_message_send s ON s.from_id = 1 AND s.client_msg_id = g.client_msg_id
            WHERE g.group_id = $1`,
    values: [group],
  })
  assert.deepEqual(rows, [
    {
      group_id: group,
      msg_id: 2,
      msg_from: 1,
      client_msg_id: sent.msg_id,
      client_type: 2,
      msg_type: 1,
      content: sent.msg_data,
      attach: '{}',
      mention: [2],
      cmd_id: 0x0301,
      msg_seq: 7,
      send_time: stored?.stored_time,
      to_id: group,
      sent_group: group,
      sent_id: 2,
    },
  ])
  assert.deepEqual(await sessions(group, 1, 2), [[2, 0], undefined])
})

test('who may not send is refused with the reason, and takes no number', async () => {
  const later = Date.now() + 60_000
  const group = await insertGroup(pool, [
    1,
    { user_id: 2, left_at: 1 },
    { user_id: 3, mute_until: later },
    { user_id: 4, mute_until: 1 },
    deactivated,
  ])
  const silent = await insertGroup(pool, [1, { user_id: 2, role: 1 }, 3], { mute_model: 1 })
  const gone = await insertGroup(pool, [1], { disbanded: true })
  const cases: [string, number, number, number][] = [
    ['of a stranger', 5, group, 4],
    ['of one who left', 2, group, 4],
    ['of one who is muted', 3, group, 5],
    ['of one who was muted', 4, group, 0],
    ['of a user who is deactivated', deactivated, group, 9],
    ['of a user who is not', 9_999, group, 9],
    ['of the owner where all are muted', 1, silent, 0],
    ['of an admin where all are muted', 2, silent, 0],
    ['of a member where all are muted', 3, silent, 5],
    ['to a group that is disbanded', 1, gone, 2],
    ['to a group that is not', 1, 2 ** 52, 2],
  ]
  const stored = await store(...cases.map(([, from, to]) => message(from, to)))
  for (const [at, [what, , , code]] of cases.entries())
    assert.equal(stored[at]?.res_code, code, `a message ${what}`)
  assert.deepEqual(
    stored.filter((each) => each.res_code === 0).map((each) => each.server_msg_id),
    [2, 2, 3],
  )
})

test('a repeat is answered with the first number, also of one who has left since', async () => {
  const group = await insertGroup(pool, [1, 2])
  const sent = message(2, group)
  const [first] = await store(sent)
  await pool.query({
    text: 'UPDATE im_group_member SET left_at_msg_id = 3 WHERE group_id = $1 AND user_id = 2',
    values: [group],
  })
  const [again, twice, other] = await store(sent, sent, message(2, group))
  assert.deepEqual(
    [again, twice],
    [first, first].map((each) => ({ ...each, repeated: true })),
  )
  assert.equal(other?.res_code, 4)
})

test('a msg_id that names another message is an error, also across users and groups', async () => {
  const group = await insertGroup(pool, [1, 2])
  const [toGroup, toUser] = [message(1, group), message(1, 2)]
  await store(toGroup, toUser)
  const stored = await store(
    { ...toGroup, msg_data: Buffer.from('other') },
    { ...toGroup, to_session_id: 2, conversation: 'c:1:2' },
    { ...toUser, to_session_id: group, conversation: toGroup.conversation },
    message(1, group),
  )
  assert.deepEqual(
    stored.map((each) => [each.res_code, each.server_msg_id]),
    [
      [1, 0],
      [1, 0],
      [1, 0],
      [0, 3],
    ],
  )
})

test('messages to users and groups of one batch are answered in their order', async () => {
  const group = await insertGroup(pool, [10, 11])
  const stored = await store(
    message(10, group),
    message(10, 12),
    message(11, group),
    message(10, 12),
    message(12, group),
  )
  assert.deepEqual(
    stored.map((each) => [each.res_code, each.server_msg_id]),
    [
      [0, 2],
      [0, 1],
      [0, 3],
      [0, 2],
      [4, 0],
    ],
  )
})
