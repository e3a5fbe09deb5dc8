/** A group as rows, for tests of what is said in it. */
import type pg from 'pg'

interface Member {
  readonly user_id: number
  readonly role?: number
  readonly joined_at?: number
  readonly left_at?: number
  /** ms */
  readonly mute_until?: number
}

interface GroupRow {
  readonly mute_model?: number
  readonly disbanded?: boolean
  /** The conversation's last number. */
  readonly last_msg_id?: number
}

/**
 * A group whose creation was message 1, without that message's rows. The first member owns it.
 * @param members ids, or rows of `im_group_member`
 * @returns its id
 */
export async function insertGroup(
  pool: { query(query: pg.QueryConfig): Promise<pg.QueryResult<{ group_id: number | string }>> },
  members: readonly (number | Member)[],
  { mute_model = 0, disbanded = false, last_msg_id = 1 }: GroupRow = {},
): Promise<number> {
  const rows = members.map((each): Member => (typeof each === 'number' ? { user_id: each } : each))
  const owner = rows[0]?.user_id ?? 0
  const { rows: made } = await pool.query({
    text: `WITH made AS (
      INSERT INTO im_group (group_name, owner_id, create_user_id, mute_model, disbanded, member_count, create_time,
                            update_time)
      VALUES ('a group', $1, $1, $2, $3, $4, 0, 0) RETURNING group_id
    ), numbered AS (
      INSERT INTO im_conversation (conversation, last_msg_id) SELECT 'g:' || group_id, $5 FROM made
    ), joined AS (
      INSERT INTO im_group_member (group_id, user_id, role, joined_at_msg_id, left_at_msg_id, mute_until, created)
      SELECT made.group_id, m.*, 0
        FROM made, unnest($6::bigint[], $7::smallint[], $8::bigint[], $9::bigint[], $10::bigint[]) m
    )
    SELECT group_id FROM made`,
    values: [
      owner,
      mute_model,
      disbanded,
      rows.length,
      last_msg_id,
      rows.map((each) => each.user_id),
      rows.map((each, at) => each.role ?? (at === 0 ? 2 : 0)),
      rows.map((each) => each.joined_at ?? 1),
      rows.map((each) => each.left_at ?? null),
      rows.map((each) => each.mute_until ?? 0),
    ],
  })
  return Number(made[0]?.group_id)
}

/** `[last_msg_id, unread]` of each of these users' sessions with the group; undefined where there is none. */
export async function groupSessions(
  pool: pg.Pool,
  group: number,
  users: readonly number[],
): Promise<([number, number] | undefined)[]> {
  const { rows } = await pool.query<{ user_id: number; last_msg_id: number; unread: number }>({
    text: 'SELECT user_id, last_msg_id, unread FROM im_session WHERE session_type = 2 AND peer_id = $1',
    values: [group],
  })
  return users.map((user) => {
    const row = rows.find(({ user_id }) => user_id === user)
    return row && [row.last_msg_id, row.unread]
  })
}
