/** Session lists with exact unread counts, each session with its last message (spec 2, "Pulling"). */
import type { Pool } from 'pg'
import type { ListedSession, SessionLists, SessionPage } from '../../workers/ports/queries.js'
import { byQuestion, type CopyRow, groupCopy, hasBeenRead, ownCopy, receivedCopy, toCopy } from './copies.js'
import { prepared } from './pool.js'
import { settleSessions } from './settlement.js'

interface SessionRow {
  question: number
  unread_total: number
  /** null: the list is empty, only the total is there */
  peer_id: number | null
  session_type: number
  session_status: number
  unread: number
  updated_s: number
  extend_data: string | null
  is_robot_session: boolean
  pinned: boolean
  muted: boolean
  draft: string | null
  last_msg_id: number
}

type ListRow = SessionRow & (CopyRow | { number: null })

/** session_type of a group. */
const group = 2

/** Every session is after this place. */
const beforeTheNewest = { updated_s: 2 ** 52, session_id: 0 }

// One statement, so that the total and the list are of one moment. A pair's last message lies in this user's own
// rows, a group's in the group's: it is the last that their membership covers (numbers that `ops renumber` left out
// have none).
const findLists = prepared<ListRow>(
  'session-lists',
  `SELECT listed.question, listed.unread_total, listed.peer_id, listed.session_type, listed.session_status,
          listed.unread, listed.updated_s, listed.extend_data, listed.last_msg_id,
          EXISTS (SELECT FROM im_user u WHERE u.user_id = listed.peer_id AND u.robot_webhook IS NOT NULL)
            AS is_robot_session,
          listed.pinned, listed.muted, listed.draft,
          listed.number, listed.client_msg_id, listed.sender, listed.receiver, listed.msg_type,
          CASE WHEN listed.size <= $6 AND sum(CASE WHEN listed.size <= $6 THEN listed.size END) OVER (
                 PARTITION BY listed.question ORDER BY listed.updated_s DESC, listed.peer_id DESC) <= $7
               THEN listed.content ELSE '' END AS content,
          listed.attach, listed.client_type, listed.stored_at, listed.read
     FROM (
       SELECT q.o::integer AS question, t.unread_total, s.*, m.*, octet_length(m.content) AS size, ${hasBeenRead}
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::integer[])
              WITH ORDINALITY q(u, since, after_s, after_id, n, o)
        CROSS JOIN LATERAL (
          SELECT coalesce(sum(x.unread), 0)::bigint AS unread_total FROM im_session x
           WHERE x.user_id = q.u AND x.session_status = 0) t
         LEFT JOIN LATERAL (
           SELECT x.user_id, x.peer_id, x.session_type, x.session_status, x.unread, x.updated / 1000 AS updated_s,
                  x.extend_data, x.last_msg_id, x.read_msg_id, x.peer_read_msg_id,
                  x.pinned, x.muted, x.draft
             FROM im_session x
            WHERE x.user_id = q.u AND x.updated / 1000 >= q.since
              AND (x.updated / 1000, x.peer_id) < (q.after_s, q.after_id)
            ORDER BY x.updated / 1000 DESC, x.peer_id DESC LIMIT q.n) s ON true
         LEFT JOIN LATERAL (
           SELECT ${ownCopy} FROM im_message_send x
            WHERE s.session_type = 1
              AND x.from_id = s.user_id AND x.to_id = s.peer_id AND x.msg_id = s.last_msg_id
           UNION ALL
           SELECT ${receivedCopy} FROM im_message_recv r
            WHERE s.session_type = 1 AND r.msg_to = s.user_id AND r.msg_id = s.last_msg_id
              AND r.conversation = 'c:' || least(s.user_id, s.peer_id) || ':' || greatest(s.user_id, s.peer_id)
           UNION ALL
           SELECT g.* FROM im_group_member k
            CROSS JOIN LATERAL (
              SELECT ${groupCopy} FROM im_message_group x
               WHERE x.group_id = k.group_id AND x.msg_id >= k.joined_at_msg_id
                 AND x.msg_id <= least(s.last_msg_id, k.left_at_msg_id - 1)
               ORDER BY x.msg_id DESC LIMIT 1) g
            WHERE s.session_type = 2 AND k.group_id = s.peer_id AND k.user_id = s.user_id
           LIMIT 1) m ON true) listed
    ORDER BY listed.question, listed.updated_s DESC, listed.peer_id DESC`,
)

/** Reads on this pool. */
export function createSessionLists(pool: Pool): SessionLists {
  return {
    async pages(asked, maxContent, maxPage) {
      await settleSessions(
        pool,
        asked.map((each) => each.user_id),
      )
      const after = asked.map((each) => each.after ?? beforeTheNewest)
      const rows = await findLists(pool, [
        asked.map((each) => each.user_id),
        asked.map((each) => each.changed_since_s),
        after.map((place) => place.updated_s),
        after.map((place) => place.session_id),
        asked.map((each) => each.limit),
        maxContent,
        maxPage,
      ])
      return byQuestion(rows, asked.length).map(toPage)
    },
  }
}

const toPage = (rows: readonly ListRow[]): SessionPage => ({
  unread_total: rows[0]?.unread_total ?? 0,
  sessions: rows.flatMap((row) => (row.peer_id === null ? [] : [toSession(row, row.peer_id)])),
})

const toSession = (row: ListRow, session_id: number): ListedSession => ({
  session_id,
  session_type: row.session_type,
  session_status: row.session_status,
  unread: row.unread,
  updated_s: row.updated_s,
  extend_data: row.extend_data,
  is_robot_session: row.is_robot_session,
  pinned: row.pinned,
  muted: row.muted,
  draft: row.draft,
  last_server_msg_id: row.session_type === group ? (row.number ?? 0) : row.last_msg_id,
  ...(row.number === null ? {} : { last: toCopy(row) }),
})
