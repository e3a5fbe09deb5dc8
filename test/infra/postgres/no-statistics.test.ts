/**
 * A new system has no statistics until its tables are first analyzed, and is busy before that. What is stored and acked
 * then costs no more for a sender, or a group, with many messages than for one with few.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { createAckStore } from '../../../infra/postgres/deliveries.js'
import { createGroupFanout } from '../../../infra/postgres/fanout.js'
import { createMessageStore } from '../../../infra/postgres/messages.js'
import { createPool } from '../../../infra/postgres/pool.js'
import { conversationOf } from '../../../schemas/ids.js'
import { type FreshDatabase, freshDatabase } from '../../helpers/database.js'
import { silentLog } from '../../helpers/log.js'
import { message } from '../../helpers/new-message.js'

const group = 2 ** 48 + 1
const batch = 50

let database: FreshDatabase
let pool: pg.Pool

before(async () => {
  database = await freshDatabase()
  // One connection: it keeps the plans that it made when the tables were empty, and its counters are flushed when asked.
  pool = createPool(database.url, 1, silentLog)
  await pool.query(`INSERT INTO im_user (user_id, nick_name, created, updated)
    SELECT n, '', 0, 0 FROM generate_series(1, 3) n`)
  await pool.query(`INSERT INTO im_group (group_id, group_name, owner_id, create_user_id, member_count, create_time,
    update_time) VALUES (${group}, '', 1, 1, 3, 0, 0)`)
  await pool.query(`INSERT INTO im_conversation VALUES ('g:${group}', 0)`)
  await pool.query(`INSERT INTO im_group_member (group_id, user_id, joined_at_msg_id, created)
    SELECT ${group}, n, 1, 0 FROM generate_series(1, 3) n`)
})
after(async () => {
  await pool.end()
  await database.drop()
})

/** Rows of message tables that were read, by index or from end to end. */
async function rowsRead(): Promise<number> {
  await pool.query('SELECT pg_stat_force_next_flush()')
  const { rows } = await pool.query<{ read: number }>(
    `SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::float8 AS read FROM pg_stat_user_tables
      WHERE relname LIKE 'im_message%'`,
  )
  return rows[0]?.read ?? 0
}

async function perMessage(work: (round: number) => Promise<unknown>): Promise<number> {
  const rounds = 10
  const earlier = await rowsRead()
  for (let round = 0; round < rounds; round++) await work(round)
  return ((await rowsRead()) - earlier) / (rounds * batch)
}

const msgIds = (name: string, round: number) =>
  Array.from({ length: batch }, (_, n) => `${name}-${round}-${n}`)

const from1 = (to: number, name: string) => (round: number) =>
  createMessageStore(pool).store(msgIds(name, round).map((msg_id) => message(1, to, { msg_id })))

const ackFrom2 = (name: string, conversation: string, first: number) => (round: number) =>
  createAckStore(pool).flush(
    msgIds(name, round).map((msg_id, n) => ({
      reader_user_id: 2,
      from_user_id: 1,
      msg_id,
      conversation,
      server_msg_id: first + round * batch + n,
      device: '2',
      time: 1,
    })),
    async () => {},
  )

test('of a pair: each message reads a few rows, however many its sender wrote before', async () => {
  const conversation = conversationOf(1, 2)
  await perMessage(from1(2, 'single'))
  const read = await perMessage(from1(2, 'more'))
  assert.ok(read < 10, `${read} rows a message`)
  const acked = await perMessage(ackFrom2('single', conversation, 1))
  assert.ok(acked < 10, `${acked} rows an ack`)
})

test('of a group: storing, fan-out and acks read a few rows, however many messages it has', async () => {
  const conversation = `g:${group}`
  const store = from1(group, 'group')
  const fanOut = (round: number) =>
    createGroupFanout(pool).fanOut(
      msgIds('group', round).map((_, n) => ({ group_id: group, server_msg_id: 1 + round * batch + n })),
    )
  const stored = await perMessage(store)
  const spread = await perMessage(fanOut)
  const acked = await perMessage(ackFrom2('group', conversation, 1))
  for (const read of [stored, spread, acked])
    assert.ok(read < 15, `${[stored, spread, acked]} rows a message`)
})
