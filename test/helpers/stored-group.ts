/** A group in the database: its changes made row by row, its messages stored and fanned out as the workers do. */
import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { createGroupFanout } from '../../infra/postgres/fanout.js'
import { createMessageStore } from '../../infra/postgres/messages.js'
import { inTransaction } from '../../infra/postgres/pool.js'
import { conversationOf } from '../../schemas/ids.js'
import { message } from './new-message.js'

interface Said {
  readonly msg_id?: string
  /** The members' copies and sessions are not made yet. */
  readonly unfanned?: boolean
}

export interface StoredGroup {
  readonly group_id: number
  /** One message of a member; answers its number. */
  say(from: number, content: string, more?: Said): Promise<number>
  /** Answers the number of the change. Joining again starts a new horizon. */
  join(user: number): Promise<number>
  leave(user: number): Promise<number>
  /** Makes the copies and sessions of a message that has none. */
  fanOut(number: number): Promise<void>
  session(user: number): Promise<Record<string, unknown> | undefined>
}

const insertMember = `INSERT INTO im_group_member (group_id, user_id, joined_at_msg_id, created) VALUES ($1, $2, $3, 0)
  ON CONFLICT (group_id, user_id) DO UPDATE SET joined_at_msg_id = $3, left_at_msg_id = NULL`
const endMembership = 'UPDATE im_group_member SET left_at_msg_id = $3 WHERE group_id = $1 AND user_id = $2'

const insertSent = `INSERT INTO im_message_send (from_id, client_msg_id, msg_id, to_id, group_id, msg_type, msg_content,
    content_hash, cmd_id, msg_seq, client_type, created, updated)
  VALUES ($1, $2, $3, $4, $4, 6, '{}', '', 769, 1, 2, $3, $3)`
const insertStored = `INSERT INTO im_message_group (group_id, msg_id, msg_from, client_msg_id, client_type, msg_type,
    content, cmd_id, msg_seq, send_time)
  VALUES ($4, $3, $1, $2, 2, 6, '{}', 769, 1, $3)`
const listForSender = `INSERT INTO im_session AS s (user_id, session_type, peer_id, last_msg_id, created, updated)
  VALUES ($1, 2, $2, $3, $3, $3)
  ON CONFLICT (user_id, session_type, peer_id) DO UPDATE SET last_msg_id = greatest(s.last_msg_id, $3)`

/** A group of these members, with the message of its creation. The first one owns it. */
export async function storeGroup(pool: pg.Pool, members: readonly number[]): Promise<StoredGroup> {
  const [owner = 0] = members
  const { rows } = await pool.query<{ group_id: number }>({
    text: `INSERT INTO im_group (group_name, owner_id, create_user_id, member_count, create_time, update_time)
           VALUES ('group', $1, $1, $2, 0, 0) RETURNING group_id`,
    values: [owner, members.length],
  })
  const group_id = rows[0]?.group_id ?? 0

  const conversation = conversationOf(owner, group_id)
  const store = createMessageStore(pool)
  const fanout = createGroupFanout(pool)

  async function fanOut(server_msg_id: number): Promise<void> {
    await fanout.fanOut([{ group_id, server_msg_id }])
  }

  /** A NOTIFICATION and the members that it changes. */
  async function change(by: number, users: readonly number[], sql: string): Promise<number> {
    const number = await inTransaction(pool, async (client) => {
      const counted = await client.query<{ number: number }>({
        text: `INSERT INTO im_conversation AS c (conversation, last_msg_id) VALUES ($1, 1)
               ON CONFLICT (conversation) DO UPDATE SET last_msg_id = c.last_msg_id + 1 RETURNING last_msg_id AS number`,
        values: [conversation],
      })
      const taken = counted.rows[0]?.number ?? 0
      for (const user of users) await client.query({ text: sql, values: [group_id, user, taken] })
      await client.query({
        text: 'UPDATE im_group SET version = version + 1 WHERE group_id = $1',
        values: [group_id],
      })
      const message = [by, randomUUID(), taken, group_id]
      await client.query({ text: insertSent, values: message })
      await client.query({ text: insertStored, values: message })
      await client.query({ text: listForSender, values: [by, group_id, taken] })
      return taken
    })
    await fanOut(number)
    return number
  }

  await change(owner, members, insertMember)

  return {
    group_id,
    async say(from, content, { msg_id = randomUUID(), unfanned = false } = {}) {
      const [stored] = await store.store([
        message(from, group_id, { msg_id, msg_data: Buffer.from(content) }),
      ])
      if (stored?.res_code !== 0) throw new Error('the message was not stored')
      if (!unfanned) await fanOut(stored.server_msg_id)
      return stored.server_msg_id
    },
    join: (user) => change(user, [user], insertMember),
    leave: (user) => change(user, [user], endMembership),
    fanOut,
    async session(user) {
      const found = await pool.query<Record<string, unknown>>({
        text: 'SELECT * FROM im_session WHERE user_id = $1 AND session_type = 2 AND peer_id = $2',
        values: [user, group_id],
      })
      return found.rows[0]
    },
  }
}
