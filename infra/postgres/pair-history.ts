/**
 * Messages of pairs as one of the two has them: the own ones from im_message_send, the peer's from
 * im_message_recv. Both are found by index within this user's partitions, however much is stored.
 */
import type { Pool } from 'pg'
import { pairConversation } from '../../schemas/ids.js'
import type { LatestMessage, MessageHistory, SessionAsked } from '../../workers/ports/queries.js'
import {
  byQuestion,
  type CopyRow,
  hasBeenRead,
  type Numbered,
  ownCopy,
  receivedCopy,
  toCopy,
} from './copies.js'
import { prepared } from './pool.js'

// LATERAL with LIMIT makes the planner go question by question through the indexes.
const findPages = prepared<CopyRow & Numbered>(
  'history-pages',
  `SELECT q.o::integer AS question, m.*, ${hasBeenRead}
     FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::integer[])
          WITH ORDINALITY q(u, p, c, before, n, o)
     LEFT JOIN im_session s ON s.user_id = q.u AND s.session_type = 1 AND s.peer_id = q.p
    CROSS JOIN LATERAL (
      (SELECT ${ownCopy} FROM im_message_send x
        WHERE x.from_id = q.u AND x.to_id = q.p AND x.msg_id < q.before
        ORDER BY x.msg_id DESC LIMIT q.n)
      UNION ALL
      (SELECT ${receivedCopy} FROM im_message_recv r
        WHERE r.msg_to = q.u AND r.conversation = q.c AND r.msg_id < q.before
        ORDER BY r.msg_id DESC LIMIT q.n)
      ORDER BY number DESC LIMIT q.n) m
    ORDER BY q.o, m.number`,
)

const findLatest = prepared<LatestMessage & Numbered>(
  'history-latest',
  `SELECT q.o::integer AS question, m.server_msg_id, m.msg_id
     FROM unnest($1::bigint[], $2::bigint[], $3::text[]) WITH ORDINALITY q(u, p, c, o)
    CROSS JOIN LATERAL (
      (SELECT x.msg_id AS server_msg_id, x.client_msg_id AS msg_id FROM im_message_send x
        WHERE x.from_id = q.u AND x.to_id = q.p ORDER BY x.msg_id DESC LIMIT 1)
      UNION ALL
      (SELECT r.msg_id, r.client_msg_id FROM im_message_recv r
        WHERE r.msg_to = q.u AND r.conversation = q.c ORDER BY r.msg_id DESC LIMIT 1)
      ORDER BY server_msg_id DESC LIMIT 1) m`,
)

// The sender's key is the only index on a msg_id; the number found there names this user's own copy.
const findByIds = prepared<CopyRow & Numbered>(
  'history-by-ids',
  `SELECT q.question, m.*, ${hasBeenRead}
     FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) q(question, u, p, c, i)
     LEFT JOIN im_session s ON s.user_id = q.u AND s.session_type = 1 AND s.peer_id = q.p
    CROSS JOIN LATERAL (
      SELECT ${ownCopy} FROM im_message_send x
       WHERE x.from_id = q.u AND x.client_msg_id = q.i AND x.to_id = q.p
      UNION ALL
      SELECT ${receivedCopy} FROM im_message_send x
        JOIN im_message_recv r ON r.msg_to = q.u AND r.conversation = q.c AND r.msg_id = x.msg_id
       WHERE q.u <> q.p AND x.from_id = q.p AND x.client_msg_id = q.i AND x.to_id = q.u
      LIMIT 2) m
    ORDER BY q.question, m.number`,
)

/** Reads on this pool. */
export function createPairHistory(pool: Pool): MessageHistory<never> {
  return {
    async pages(asked) {
      const rows = await findPages(pool, [
        ...pairColumns(asked),
        asked.map((each) => each.before),
        asked.map((each) => each.limit),
      ])
      return byQuestion(rows, asked.length).map((copies) => copies.map(toCopy))
    },

    async latest(asked) {
      const rows = await findLatest(pool, pairColumns(asked))
      return byQuestion(rows, asked.length).map(
        ([found]) => found && { msg_id: found.msg_id, server_msg_id: found.server_msg_id },
      )
    },

    async byIds(asked) {
      const wanted = asked.flatMap(({ msg_ids, ...pair }, at) =>
        [...new Set(msg_ids)].map((msg_id) => ({ ...pair, msg_id, question: at + 1 })),
      )
      const rows = await findByIds(pool, [
        wanted.map((each) => each.question),
        ...pairColumns(wanted),
        wanted.map((each) => each.msg_id),
      ])
      return byQuestion(rows, asked.length).map((copies) => copies.map(toCopy))
    },
  }
}

/** The users, their peers, their conversations. */
const pairColumns = (pairs: readonly SessionAsked[]): unknown[] => [
  pairs.map((pair) => pair.user_id),
  pairs.map((pair) => pair.peer_id),
  pairs.map((pair) => pairConversation(pair.user_id, pair.peer_id)),
]
