/** Read positions on the real PostgreSQL: spec 2, "Read and unread"; promises I5 and I6. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createAckStore } from '../../../infra/postgres/deliveries.js'
import { createReadMarks } from '../../../infra/postgres/reads.js'
import type { Read, ReadMarks } from '../../../workers/ports/reads.js'
import { randomNumbers } from '../../helpers/random.js'
import { openStoredChat, type StoredChat } from '../../helpers/stored-chat.js'

let chat: StoredChat
let marks: ReadMarks
let clock = 1_000
let nextUser = 1

before(async () => {
  chat = await openStoredChat()
  marks = createReadMarks(chat.pool)
})
after(() => chat.close())

/** Two users that no other test has. */
const pair = (): [number, number] => [nextUser++, nextUser++]

/** A read by number, or with `msg_id` by that. */
const read = (user_id: number, peer_id: number, what: number | string): Read => ({
  user_id,
  peer_id,
  msg_id: typeof what === 'string' ? what : '',
  server_msg_id: typeof what === 'number' ? what : 0,
  time: ++clock,
})

const changes = async (...reads: Read[]) => (await marks.mark(reads)).map((mark) => mark.changed)

async function deliveredNumbers(user: number): Promise<number[]> {
  const { rows } = await chat.pool.query<{ msg_id: number }>({
    text: 'SELECT msg_id FROM im_message_recv WHERE msg_to = $1 AND delivered = 1 ORDER BY msg_id',
    values: [user],
  })
  return rows.map((row) => row.msg_id)
}

test('reading up to a number counts unread anew, marks the copies delivered and tells the peer its position', async () => {
  const [a, b] = pair()
  await chat.sayMany(a, b, 5)
  await chat.say(b, a, 'a reply reads nothing', { msg_id: 'reply' })
  assert.equal((await chat.session(b, a))?.unread, 5)

  const [mark] = await marks.mark([read(b, a, 3)])
  assert.equal(mark?.changed, true)
  assert.equal(mark?.server_msg_id, 3)
  assert.match(mark?.msg_id ?? '', /^[0-9a-f-]{36}$/)
  const mine = await chat.session(b, a)
  assert.equal(mine?.unread, 2)
  assert.equal(mine?.read_msg_id, 3)
  assert.equal((await chat.session(a, b))?.peer_read_msg_id, 3)
  assert.deepEqual(await deliveredNumbers(b), [1, 2, 3])

  // Number 6 is the reader's own.
  assert.deepEqual(await marks.mark([read(b, a, 6)]), [{ changed: true, server_msg_id: 6, msg_id: 'reply' }])
  assert.equal((await chat.session(b, a))?.unread, 0)
})

test('a position never moves back, nor beyond what is stored, nor by an unknown msg_id', async () => {
  const [a, b] = pair()
  await chat.sayMany(a, b, 3)
  assert.deepEqual(await changes(read(b, a, 2)), [true])
  assert.deepEqual(
    await changes(
      read(b, a, 1),
      read(b, a, 2),
      read(b, a, 4),
      read(b, a, 'nobody wrote this'),
      read(b, a, ''),
    ),
    [false, false, false, false, false],
  )
  assert.equal((await chat.session(b, a))?.read_msg_id, 2)
  assert.equal((await chat.session(b, a))?.unread, 1)
})

test('a pair that never talked has nothing to read', async () => {
  const [a, b] = pair()
  assert.deepEqual(await changes(read(a, b, 1)), [false])
  assert.equal(await chat.session(a, b), undefined)
})

test('a msg_id alone means the highest number with it; a number decides over it', async () => {
  const [a, b] = pair()
  await chat.say(a, b, 'first', { msg_id: 'same' })
  await chat.say(a, b, 'second', { msg_id: 'other' })
  await chat.say(b, a, 'third', { msg_id: 'same' })
  await chat.say(a, b, 'fourth')
  assert.deepEqual(await marks.mark([{ ...read(b, a, 'same'), server_msg_id: 2 }]), [
    { changed: true, server_msg_id: 2, msg_id: 'other' },
  ])
  assert.deepEqual(await marks.mark([read(b, a, 'same')]), [
    { changed: true, server_msg_id: 3, msg_id: 'same' },
  ])
  assert.equal((await chat.session(b, a))?.unread, 1)
})

test('a msg_id of another conversation is unknown here', async () => {
  const [a, b] = pair()
  const [c] = pair()
  await chat.say(a, b, 'here')
  await chat.say(a, c, 'there', { msg_id: 'elsewhere' })
  assert.deepEqual(await changes(read(b, a, 'elsewhere')), [false])
})

test('the same read again is answered as the first time, another read of the same message is not', async () => {
  const [a, b] = pair()
  await chat.sayMany(a, b, 2)
  const first = read(b, a, 2)
  assert.deepEqual(await changes(first), [true])
  assert.deepEqual(await changes(first), [true])
  assert.deepEqual(await changes(read(b, a, 2)), [false])
  assert.deepEqual(await changes(first), [true])
})

test('of several reads in one batch the furthest counts, and both users may read at once', async () => {
  const [a, b] = pair()
  await chat.sayMany(a, b, 3)
  await chat.sayMany(b, a, 3)
  assert.deepEqual(await changes(read(b, a, 1), read(b, a, 3), read(a, b, 6), read(b, a, 2)), [
    false,
    true,
    true,
    false,
  ])
  const [ofA, ofB] = [await chat.session(a, b), await chat.session(b, a)]
  assert.deepEqual([ofA?.read_msg_id, ofA?.peer_read_msg_id, ofA?.unread], [6, 3, 0])
  assert.deepEqual([ofB?.read_msg_id, ofB?.peer_read_msg_id, ofB?.unread], [3, 6, 0])
})

test('a message to oneself is never unread and can be read', async () => {
  const [a] = pair()
  await chat.say(a, a, 'note')
  assert.equal((await chat.session(a, a))?.unread, 0)
  assert.deepEqual(await changes(read(a, a, 1)), [true])
  const session = await chat.session(a, a)
  assert.deepEqual([session?.read_msg_id, session?.peer_read_msg_id, session?.unread], [1, 1, 0])
})

test('a notification is not counted as unread, whether little or much is left after the read', async () => {
  const [a, b] = pair()
  await chat.sayMany(a, b, 1)
  await chat.say(a, b, 'left the building', { msg_type: 6 })
  await chat.sayMany(a, b, 4)
  await chat.say(a, b, 'came back', { msg_type: 6 })
  const unreadAfter: unknown[] = []
  for (const number of [1, 2, 3, 6, 7]) {
    assert.deepEqual(await changes(read(b, a, number)), [true])
    unreadAfter.push((await chat.session(b, a))?.unread)
  }
  assert.deepEqual(unreadAfter, [4, 4, 3, 0, 0])
})

test('of much that is read at once only the newest copies are rewritten; the position speaks for the rest', async () => {
  const [a, b] = pair()
  await chat.sayMany(a, b, 1_200)
  assert.deepEqual(await changes(read(b, a, 1_200)), [true])
  const delivered = await deliveredNumbers(b)
  assert.deepEqual([delivered.length, delivered[0], delivered.at(-1)], [1_000, 201, 1_200])
  const session = await chat.session(b, a)
  assert.deepEqual([session?.unread, session?.read_msg_id], [0, 1_200])
})

test('unread stays exact while messages are stored and read at the same time', async () => {
  const [a, b] = pair()
  await chat.sayMany(a, b, 1)
  const writers = [0, 1].map(async () => {
    for (let n = 0; n < 40; n++) {
      await chat.sayMany(a, b, 3)
      await chat.sayMany(b, a, 1)
    }
  })
  const readers = [
    [a, b],
    [b, a],
  ].map(async ([reader = 0, peer = 0]) => {
    for (let n = 1; n <= 80; n++) await marks.mark([read(reader, peer, n * 3), read(reader, peer, n)])
  })
  await Promise.all([...writers, ...readers])
  for (const [reader, peer] of [
    [a, b],
    [b, a],
  ]) {
    const { rows } = await chat.pool.query<{ exact: boolean; unread: number }>({
      text: `SELECT s.unread, s.unread = (SELECT count(*) FROM im_message_recv m
                WHERE m.msg_to = s.user_id AND m.conversation = $3 AND m.msg_id > s.read_msg_id) AS exact
               FROM im_session s WHERE s.user_id = $1 AND s.peer_id = $2`,
      values: [reader, peer, `c:${a}:${b}`],
    })
    assert.deepEqual(
      rows.map((row) => row.exact),
      [true],
    )
  }
})

test('a session made while a read waits for its locks loses no message that is being stored', async () => {
  const [a, b] = pair()
  const [c, d] = pair()
  await chat.say(a, b, 'hello')
  const [holder, writer] = await Promise.all([chat.pool.connect(), chat.pool.connect()])
  try {
    await holder.query('BEGIN')
    await holder.query(`SELECT FROM im_session WHERE user_id IN (${a}, ${b}) FOR UPDATE`)
    const marking = marks.mark([read(b, a, 1), read(d, c, 1)])
    await waitsForLock()
    await chat.say(c, d, 'first')
    // The second message is numbered and counted, and not committed.
    await writer.query('BEGIN')
    await writer.query(`UPDATE im_conversation SET last_msg_id = 2 WHERE conversation = 'c:${c}:${d}'`)
    await writer.query(`INSERT INTO im_message_recv (msg_to, conversation, msg_id, msg_from, client_msg_id,
      client_type, msg_type, content, cmd_id, msg_seq, send_time)
      VALUES (${d}, 'c:${c}:${d}', 2, ${c}, 'second', 1, 1, 'x', 769, 1, 1)`)
    await writer.query(`UPDATE im_session SET unread = unread + 1, last_msg_id = 2
      WHERE user_id = ${d} AND peer_id = ${c}`)
    await holder.query('COMMIT')
    await Promise.race([marking, waitsForLock()])
    await writer.query('COMMIT')
    await marking
  } finally {
    holder.release()
    writer.release()
  }
  assert.equal((await chat.session(b, a))?.unread, 0)
  assert.equal((await chat.session(d, c))?.unread, 2)
})

/** Resolves once somebody in this database waits for a row. */
async function waitsForLock(): Promise<void> {
  for (;;) {
    const { rows } = await chat.pool.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
    if (rows.length > 0) return
  }
}

test('many pairs stored, read and acked at the same time never wait for each other in a circle', async () => {
  const users = Array.from({ length: 6 }, () => pair()).flat()
  const pairs = users.flatMap((a) => users.filter((b) => b !== a).map((b): [number, number] => [a, b]))
  const random = randomNumbers(7)
  const some = () => Array.from({ length: 20 }, (): [number, number] => pairs[random(pairs.length)] ?? [1, 2])
  const acks = createAckStore(chat.pool)
  const times = (work: (n: number) => Promise<unknown>) => async () => {
    for (let n = 1; n <= 25; n++) await work(n)
  }
  const ids = new Set<string>()
  const writing = times(async (n) => {
    for (const [a, b] of some().slice(0, 4)) {
      const msg_id = `${a}-${b}-${n}-${ids.size}`
      ids.add(msg_id)
      await chat.say(a, b, 'hello', { msg_id })
    }
  })
  const reading = times((n) => marks.mark(some().map(([a, b]) => read(a, b, n))))
  const acking = times(() =>
    acks.flush(
      [...ids].slice(-40).map((msg_id) => {
        const [from_user_id = 0, reader_user_id = 0] = msg_id.split('-').map(Number)
        return { reader_user_id, device: '2', from_user_id, msg_id, time: 1 }
      }),
    ),
  )
  await Promise.all([writing(), writing(), reading(), reading(), reading(), acking()])

  const { rows } = await chat.pool.query<{ wrong: number }>({
    text: `SELECT count(*) AS wrong FROM im_session s
            WHERE s.user_id = ANY ($1) AND s.unread <> (
              SELECT count(*) FROM im_message_recv m WHERE m.msg_to = s.user_id AND m.msg_id > s.read_msg_id
                 AND m.conversation = 'c:' || least(s.user_id, s.peer_id) || ':' || greatest(s.user_id, s.peer_id))`,
    values: [users],
  })
  assert.equal(rows[0]?.wrong, 0)
})
