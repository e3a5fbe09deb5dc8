/**
 * Messages of groups as one member sees them: those that the latest membership covers, from the number they joined
 * at to the one they left at (spec 2, "Group chat" 6). Read where they are stored once, so what was acked is there
 * before its fan-out is.
 */
import type { Pool } from 'pg'
import type { MessageHistory, SessionAsked } from '../../workers/ports/queries.js'
import { byQuestion, type CopyRow, groupCopy, hasBeenRead, type Numbered, toCopy } from './copies.js'
import { prepared } from './pool.js'

/** A member without a message has one row without a number; who never was a member has no row. */
type Found<Row> = Numbered & (Row | { number: null })

const foundByIdAtMost = 100

// LATERAL with LIMIT makes the planner go question by question through the indexes.
const findPages = prepared<Found<CopyRow>>(
  'group-history-pages',
  `SELECT q.o::integer AS question, m.*, ${hasBeenRead}
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[]) WITH ORDINALITY q(u, g, before, n, o)
     JOIN im_group_member k ON k.group_id = q.g AND k.user_id = q.u
     LEFT JOIN im_session s ON s.user_id = q.u AND s.session_type = 2 AND s.peer_id = q.g
     LEFT JOIN LATERAL (
       SELECT ${groupCopy} FROM im_message_group x
        WHERE x.group_id = q.g AND x.msg_id >= k.joined_at_msg_id AND x.msg_id < least(q.before, k.left_at_msg_id)
        ORDER BY x.msg_id DESC LIMIT q.n) m ON true
    ORDER BY q.o, m.number`,
)

const findLatest = prepared<Found<{ number: number; client_msg_id: string }>>(
  'group-history-latest',
  `SELECT q.o::integer AS question, m.number, m.client_msg_id
     FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY q(u, g, o)
     JOIN im_group_member k ON k.group_id = q.g AND k.user_id = q.u
     LEFT JOIN LATERAL (
       SELECT x.msg_id AS number, x.client_msg_id FROM im_message_group x
        WHERE x.group_id = q.g AND x.msg_id >= k.joined_at_msg_id
          AND (k.left_at_msg_id IS NULL OR x.msg_id < k.left_at_msg_id)
        ORDER BY x.msg_id DESC LIMIT 1) m ON true`,
)

const findByIds = prepared<Found<CopyRow>>(
  'group-history-by-ids',
  `SELECT q.o::integer AS question, m.*, ${hasBeenRead}
     FROM unnest($1::bigint[], $2::bigint[], $3::text[]) WITH ORDINALITY q(u, g, ids, o)
     JOIN im_group_member k ON k.group_id = q.g AND k.user_id = q.u
     LEFT JOIN im_session s ON s.user_id = q.u AND s.session_type = 2 AND s.peer_id = q.g
     LEFT JOIN LATERAL (
       SELECT ${groupCopy} FROM im_message_group x
        WHERE x.group_id = q.g AND x.client_msg_id = ANY (ARRAY(SELECT jsonb_array_elements_text(q.ids::jsonb)))
          AND x.msg_id >= k.joined_at_msg_id AND (k.left_at_msg_id IS NULL OR x.msg_id < k.left_at_msg_id)
        ORDER BY x.msg_id LIMIT ${foundByIdAtMost}) m ON true
    ORDER BY q.o, m.number`,
)

/** Reads on this pool; `peer_id` of each question is a group's. */
export function createGroupHistory(pool: Pool): MessageHistory {
  return {
    async pages(asked) {
      const rows = await findPages(pool, [
        ...memberColumns(asked),
        asked.map((each) => each.before),
        asked.map((each) => each.limit),
      ])
      return answersOf(rows, asked.length, toCopies)
    },

    async latest(asked) {
      const rows = await findLatest(pool, memberColumns(asked))
      return answersOf(
        rows,
        asked.length,
        ([found]) => found && { msg_id: found.client_msg_id, server_msg_id: found.number },
      )
    },

    async byIds(asked) {
      const rows = await findByIds(pool, [
        ...memberColumns(asked),
        asked.map((each) => JSON.stringify(each.msg_ids)),
      ])
      return answersOf(rows, asked.length, toCopies)
    },
  }
}

const memberColumns = (asked: readonly SessionAsked[]): unknown[] => [
  asked.map((each) => each.user_id),
  asked.map((each) => each.peer_id),
]

const toCopies = (rows: readonly CopyRow[]) => rows.map(toCopy)

const isMessage = <Row extends { number: number }>(row: Found<Row>): row is Numbered & Row =>
  row.number !== null

const answersOf = <Row extends { number: number }, Answer>(
  rows: readonly Found<Row>[],
  questions: number,
  toAnswer: (rows: readonly Row[]) => Answer,
): (Answer | 'never-member')[] =>
  byQuestion(rows, questions).map((found) =>
    found.length === 0
      ? 'never-member'
      : toAnswer(found.filter((row): row is Numbered & Row => isMessage<Row>(row))),
  )
