/** Read positions in groups on the real PostgreSQL: spec 2, "Read and unread"; promises I5 and I6. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import type { Read, ReadMarks } from '../../../workers/ports/reads.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'
import { type StoredGroup, storeGroup } from '../../helpers/stored-group.js'

let chat: StoredChat
let marks: ReadMarks
let clock = 1_000

before(async () => {
  chat = await openStoredChat()
  marks = createReadMarks(chat.pool)
})
after(() => chat.close())

/** A group of users 1, 2 and 3 in which user 1 has said this much: 1 is the creation. */
async function groupWith(messages: number): Promise<StoredGroup> {
  const group = await storeGroup(chat.pool, [1, 2, 3])
  for (let n = 0; n < messages; n++) await group.say(1, `${n}`, { msg_id: `${group.group_id}-${n + 2}` })
  return group
}

/** A read by number, or with `msg_id` by that. */
const read = (user_id: number, { group_id }: StoredGroup, what: number | string): Read => ({
  user_id,
  peer_id: group_id,
  msg_id: typeof what === 'string' ? what : '',
  server_msg_id: typeof what === 'number' ? what : 0,
  time: ++clock,
})
const changes = async (...reads: Read[]) => (await marks.mark(reads)).map((mark) => mark.changed)

async function position(group: StoredGroup, user: number) {
  const session = await group.session(user)
  return [session?.read_msg_id, session?.unread]
}

async function delivered(group: StoredGroup, user: number): Promise<number[]> {
  const { rows } = await chat.pool.query<{ msg_id: number }>({
    text: `SELECT msg_id FROM im_message_recv
            WHERE msg_to = $1 AND conversation = $2 AND delivered = 1 ORDER BY msg_id`,
    values: [user, `g:${group.group_id}`],
  })
  return rows.map((row) => row.msg_id)
}

test('reading up to a number counts unread anew and marks those copies delivered, for the reader alone', async () => {
  const group = await groupWith(5)
  assert.deepEqual(await position(group, 2), [0, 5])
  assert.deepEqual(await marks.mark([read(2, group, 4)]), [
    { changed: true, server_msg_id: 4, msg_id: `${group.group_id}-4` },
  ])
  assert.deepEqual(await position(group, 2), [4, 2])
  assert.deepEqual(await delivered(group, 2), [1, 2, 3, 4])
  assert.deepEqual(await position(group, 3), [0, 5])
  assert.deepEqual(await delivered(group, 3), [])
  assert.equal((await group.session(1))?.peer_read_msg_id, 0)
})

test('a position never moves back, nor beyond what is stored, nor by an unknown msg_id', async () => {
  const group = await groupWith(3)
  assert.deepEqual(await changes(read(2, group, 3)), [true])
  assert.deepEqual(
    await changes(
      read(2, group, 2),
      read(2, group, 3),
      read(2, group, 5),
      read(2, group, 'nobody wrote this'),
    ),
    [false, false, false, false],
  )
  assert.deepEqual(await position(group, 2), [3, 1])
})

test('who is no member reads nothing, and gets no session by it', async () => {
  const group = await groupWith(1)
  assert.deepEqual(await changes(read(4, group, 2)), [false])
  assert.equal(await group.session(4), undefined)
  assert.deepEqual(await changes({ ...read(4, group, 2), peer_id: group.group_id + 1_000 }), [false])
})

test('a membership bounds what can be read', async () => {
  const group = await groupWith(1)
  const joined = await group.join(4)
  const last = await group.say(1, 'last', { msg_id: `${group.group_id}-last` })
  const left = await group.leave(2)
  await group.say(3, 'after', { msg_id: `${group.group_id}-last` })
  assert.deepEqual(await changes(read(4, group, joined - 1)), [false])
  assert.deepEqual(await changes(read(2, group, left), read(2, group, left + 1)), [false, false])
  // Two members used one msg_id: who left means the one that they can see.
  assert.deepEqual(
    (await marks.mark([read(2, group, `${group.group_id}-last`)])).map((mark) => mark.server_msg_id),
    [last],
  )
  assert.deepEqual(await position(group, 2), [last, 0])
})

test('a msg_id alone means the highest number with it; a number decides over it', async () => {
  const group = await groupWith(0)
  await group.say(1, 'first', { msg_id: `${group.group_id}-same` })
  await group.say(1, 'second', { msg_id: `${group.group_id}-other` })
  await group.say(3, 'third', { msg_id: `${group.group_id}-same` })
  assert.deepEqual(
    (await marks.mark([{ ...read(2, group, `${group.group_id}-same`), server_msg_id: 3 }])).map(
      (mark) => mark.msg_id,
    ),
    [`${group.group_id}-other`],
  )
  await changes(read(2, group, `${group.group_id}-same`))
  assert.deepEqual(await position(group, 2), [4, 0])
})

test('the same read again is answered as the first time, another read of the same message is not', async () => {
  const group = await groupWith(1)
  const first = read(2, group, 2)
  assert.deepEqual(await changes(first), [true])
  assert.deepEqual(await changes(first), [true])
  assert.deepEqual(await changes(read(2, group, 2)), [false])
})

test('of several reads in one batch the furthest counts, of each group and of a pair beside them', async () => {
  const [one, other] = [await groupWith(3), await groupWith(3)]
  await chat.say(1, 2, 'in a pair')
  const inPair = { user_id: 2, peer_id: 1, msg_id: '', server_msg_id: 1, time: ++clock }
  assert.deepEqual(
    await changes(read(2, one, 2), inPair, read(2, other, 4), read(2, one, 3), read(3, one, 2)),
    [false, true, true, true, true],
  )
  assert.deepEqual(
    [await position(one, 2), await position(other, 2), await position(one, 3)],
    [
      [3, 1],
      [4, 0],
      [2, 2],
    ],
  )
})

test('what was read before its fan-out is not unread after it', async () => {
  const group = await groupWith(0)
  await chat.pool.query({ text: 'DELETE FROM im_session WHERE peer_id = $1', values: [group.group_id] })
  const number = await group.say(1, 'just now', { unfanned: true })
  assert.deepEqual(await changes(read(2, group, number)), [true])
  await group.fanOut(number)
  assert.deepEqual(await position(group, 2), [number, 0])
  assert.deepEqual(await position(group, 3), [0, 1])
})

test('a notification is not counted as unread, whether little or much is left after the read', async () => {
  const group = await groupWith(1)
  await group.join(4)
  for (let n = 0; n < 4; n++) await group.say(1, `${n}`)
  await group.leave(4)
  const unreadAfter: unknown[] = []
  for (const number of [2, 3, 4, 7, 8]) {
    assert.deepEqual(await changes(read(2, group, number)), [true])
    unreadAfter.push((await group.session(2))?.unread)
  }
  assert.deepEqual(unreadAfter, [4, 4, 3, 0, 0])
})

test('after joining again the first read counts only what the new membership covers', async () => {
  const group = await groupWith(3)
  await group.leave(2)
  const joined = await group.join(2)
  for (let n = 0; n < 3; n++) await group.say(1, `again ${n}`)
  assert.deepEqual(await changes(read(2, group, joined)), [true])
  assert.deepEqual(await position(group, 2), [joined, 3])
  assert.deepEqual(await changes(read(2, group, joined + 1)), [true])
  assert.deepEqual(await position(group, 2), [joined + 1, 2])
})

test('unread stays exact while members write, come, go and read, and messages are fanned out late and twice', async () => {
  const group = await groupWith(1)
  const late: number[] = []
  const writing = [1, 2, 3].map(async (user) => {
    for (let n = 0; n < 20; n++) {
      const number = await group.say(user, `${n}`, { unfanned: n % 3 === 0 })
      if (n % 3 === 0) late.push(number)
      if (n % 4 === 0) await Promise.all(late.map((each) => group.fanOut(each)))
    }
  })
  const changing = async () => {
    for (let n = 0; n < 5; n++) {
      await group.join(4)
      await group.leave(4)
    }
    await group.join(4)
  }
  const reading = [1, 2, 3, 4].map(async (user) => {
    for (let n = 1; n <= 40; n++)
      await marks.mark([read(user, group, n * 2), read(user, group, n), read((user % 4) + 1, group, n)])
  })
  await Promise.all([...writing, changing(), ...reading])
  await Promise.all(late.map((each) => group.fanOut(each)))
  const { rows } = await chat.pool.query<{ unread: number; counted: number; visible: number }>({
    text: `SELECT s.unread,
                  (SELECT count(*) FROM im_message_recv m WHERE m.msg_to = s.user_id AND m.conversation = $2
                      AND m.msg_id > s.read_msg_id AND m.msg_type <> 6) AS counted,
                  (SELECT count(*) FROM im_message_group x WHERE x.group_id = s.peer_id AND x.msg_from <> s.user_id
                      AND x.msg_id > s.read_msg_id AND x.msg_id >= k.joined_at_msg_id AND x.msg_type <> 6) AS visible
             FROM im_session s JOIN im_group_member k ON k.group_id = s.peer_id AND k.user_id = s.user_id
            WHERE s.session_type = 2 AND s.peer_id = $1 AND s.user_id < 4`,
    values: [group.group_id, `g:${group.group_id}`],
  })
  assert.equal(rows.length, 3)
  for (const { unread, counted, visible } of rows) assert.deepEqual([unread, counted], [visible, visible])
})
