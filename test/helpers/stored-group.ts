/** A group in the database, made row by row: what sending, fanning out and changing a group leave behind. */
import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { inTransaction } from '../../infra/postgres/pool.js'

const text = 1
const notification = 6

interface Said {
  readonly msg_id?: string
  readonly msg_type?: number
  /** The members' copies and sessions are not made yet. */
  readonly unfanned?: boolean
}

export interface StoredGroup {
  readonly group_id: number
  /** One message of a member; answers its number. */
  say(from: number, content: string | Buffer, more?: Said): Promise<number>
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
  VALUES ($1, $2, $3, $4, $4, $5, $6, '', 769, 1, 2, $3, $3)`
const insertStored = `INSERT INTO im_message_group (group_id, msg_id, msg_from, client_msg_id, client_type, msg_type,
    content, cmd_id, msg_seq, send_time)
  VALUES ($4, $3, $1, $2, 2, $5, $6, 769, 1, $3)`
const listForSender = `INSERT INTO im_session AS s (user_id, session_type, peer_id, last_msg_id, created, updated)
  VALUES ($1, 2, $2, $3, $3, $3)
  ON CONFLICT (user_id, session_type, peer_id) DO UPDATE SET last_msg_id = greatest(s.last_msg_id, $3)`

const fanOut = `WITH copies AS (
    INSERT INTO im_message_recv (msg_to, conversation, msg_id, msg_from, group_id, client_msg_id, client_type, msg_type,
                                 cmd_id, msg_seq, send_time)
      SELECT k.user_id, 'g:' || x.group_id, x.msg_id, x.msg_from, x.group_id, x.client_msg_id, 2, x.msg_type, 769, 1, x.msg_id
        FROM im_message_group x JOIN im_group_member k ON k.group_id = x.group_id
       WHERE x.group_id = $1 AND x.msg_id = $2 AND k.user_id <> x.msg_from
         AND k.joined_at_msg_id <= x.msg_id AND (k.left_at_msg_id IS NULL OR k.left_at_msg_id > x.msg_id)
    RETURNING msg_to, msg_type
  )
  INSERT INTO im_session AS s (user_id, session_type, peer_id, last_msg_id, unread, created, updated)
    SELECT msg_to, 2, $1, $2, CASE WHEN msg_type = 6 THEN 0 ELSE 1 END, $2, $2 FROM copies ORDER BY msg_to
  ON CONFLICT (user_id, session_type, peer_id) DO UPDATE
    SET last_msg_id = greatest(s.last_msg_id, $2),
        unread = s.unread + CASE WHEN $2 > s.read_msg_id THEN excluded.unread ELSE 0 END`

/** A group of these members, with the message of its creation. The first one owns it. */
export async function storeGroup(pool: pg.Pool, members: readonly number[]): Promise<StoredGroup> {
  const [owner = 0] = members
  const { rows } = await pool.query<{ group_id: number }>({
    text: `INSERT INTO im_group (group_name, owner_id, create_user_id, member_count, create_time, update_time)
           VALUES ('group', $1, $1, $2, 0, 0) RETURNING group_id`,
    values: [owner, members.length],
  })
  const group_id = rows[0]?.group_id ?? 0

  /** @param change what the number is needed for */
  const append = (
    from: number,
    content: Buffer,
    more: Said,
    change?: (client: pg.PoolClient, number: number) => Promise<unknown>,
  ): Promise<number> =>
    inTransaction(pool, async (client) => {
      const counted = await client.query<{ number: number }>({
        text: `INSERT INTO im_conversation AS c (conversation, last_msg_id) VALUES ($1, 1)
               ON CONFLICT (conversation) DO UPDATE SET last_msg_id = c.last_msg_id + 1 RETURNING last_msg_id AS number`,
        values: [`g:${group_id}`],
      })
      const number = counted.rows[0]?.number ?? 0
      await change?.(client, number)
      const message = [from, more.msg_id ?? randomUUID(), number, group_id, more.msg_type ?? text, content]
      await client.query({ text: insertSent, values: message })
      await client.query({ text: insertStored, values: message })
      await client.query({ text: listForSender, values: [from, group_id, number] })
      if (!more.unfanned) await client.query({ text: fanOut, values: [group_id, number] })
      return number
    })

  const changeMember = (user: number, sql: string) =>
    append(user, Buffer.from('{}'), { msg_type: notification }, (client, number) =>
      client.query({ text: sql, values: [group_id, user, number] }),
    )

  await append(owner, Buffer.from('{}'), { msg_type: notification }, async (client, number) => {
    for (const member of members)
      await client.query({ text: insertMember, values: [group_id, member, number] })
  })

  return {
    group_id,
    say: (from, content, more = {}) => append(from, Buffer.from(content as string), more),
    join: (user) => changeMember(user, insertMember),
    leave: (user) => changeMember(user, endMembership),
    async fanOut(number) {
      await pool.query({ text: fanOut, values: [group_id, number] })
    },
    async session(user) {
      const found = await pool.query<Record<string, unknown>>({
        text: 'SELECT * FROM im_session WHERE user_id = $1 AND session_type = 2 AND peer_id = $2',
        values: [user, group_id],
      })
      return found.rows[0]
    },
  }
}
