/** What is there before the measurement: users, groups and long pasts, written by SQL as our own code would have. */
import pg from 'pg'
import type { Account } from '../wire.js'

/** Far from the users that other rows register. */
const firstId = 700_001
const body = 'A message of the benchmark: one hundred bytes of plain text, as a chat has them. '.padEnd(
  100,
  '.',
)

export const sizes = {
  /** Members who are all online; the most that are written to row by row (GROUP_WRITE_DIFFUSION_MAX). */
  group: 500,
  largeGroup: 10_000,
  largeGroupOnline: 1_000,
  sessions: 10_000,
  /** Messages of one pair. */
  history: 1_000_000,
  syncUsers: 5,
  syncSessions: 50,
  syncMessages: 10_000,
} as const

/** Who is who: ids of users follow each other, so that one number names many. */
const lister = firstId + sizes.largeGroup
const talker = lister + 1
const syncers = talker + 2
/** Peers of whoever has many sessions are the members of the large group. */
const users = sizes.largeGroup + 3 + sizes.syncUsers

export interface Seeded {
  readonly group_id: number
  readonly largeGroup_id: number
  /** The members of both groups: those of the small one are the first of the large one. */
  readonly members: readonly Account[]
  readonly lister: Account
  readonly talker: Account
  readonly talker_peer: number
  readonly syncers: readonly Account[]
}

/** Of a group: its members are the first so many users, and its first message says that it was made. */
const makeGroup = `
WITH made AS (
  INSERT INTO im_group (group_name, owner_id, create_user_id, group_type, member_count, create_time, update_time)
  VALUES ('bench', $1, $1, 1, $2, $3, $3) RETURNING group_id
), counted AS (
  INSERT INTO im_conversation (conversation, last_msg_id) SELECT 'g:' || group_id, 1 FROM made
), diffusion AS (
  INSERT INTO im_group_diffusion (group_id, from_msg_id, by_reading) SELECT group_id, 1, true FROM made WHERE $4
), members AS (
  INSERT INTO im_group_member (group_id, user_id, joined_at_msg_id, created, by_reading)
  SELECT group_id, $1 + n, 1, $3, $4 FROM made, generate_series(0, $2::bigint - 1) n
), sent AS (
  INSERT INTO im_message_send (from_id, client_msg_id, msg_id, to_id, group_id, msg_type, msg_content, content_hash,
      cmd_id, msg_seq, client_type, created, updated)
  SELECT $1, 'made-' || group_id, 1, group_id, group_id, 6, '{}', '', 769, 1, 1, $3, $3 FROM made
), stored AS (
  INSERT INTO im_message_group (group_id, msg_id, msg_from, client_msg_id, client_type, msg_type, content, cmd_id,
      msg_seq, send_time, counted)
  SELECT group_id, 1, $1, 'made-' || group_id, 1, 6, '{}', 769, 1, $3, 0 FROM made
)
SELECT group_id::float8 FROM made`

/** Users $1 and the next, $2 in all, who may log in. */
export const makeUsers = `INSERT INTO im_user (user_id, nick_name, created, updated)
  SELECT $1::bigint + n, 'bench', 0, 0 FROM generate_series(0, $2::integer - 1) n`

/** Messages that one user has received: from each of $2 … $2 + $3 - 1 the numbers 1 … $4, and the sessions with them. */
const makeReceived = `
WITH received AS (
  INSERT INTO im_message_recv (msg_to, conversation, msg_id, msg_from, client_msg_id, client_type, msg_type, content,
      cmd_id, msg_seq, send_time)
  SELECT $1::bigint, 'c:' || least($1::bigint, $2::bigint + p) || ':' || greatest($1::bigint, $2::bigint + p), n,
         $2::bigint + p, $1 || '-' || p || '-' || n, 1, 1, convert_to($5, 'UTF8'), 769, 1, $6::bigint + n
    FROM generate_series(0, $3::integer - 1) p, generate_series(1, $4::integer) n
)
INSERT INTO im_session (user_id, session_type, peer_id, last_msg_id, unread, created, updated)
  SELECT $1::bigint, 1, $2::bigint + p, $4::integer, $4::integer, $6::bigint, $6::bigint + p * 1000
    FROM generate_series(0, $3::integer - 1) p`

/** A pair's whole past: $1 and $2 wrote in turn. */
const makeSent = `
INSERT INTO im_message_send (from_id, client_msg_id, msg_id, to_id, msg_type, msg_content, content_hash, cmd_id,
    msg_seq, client_type, created, updated)
  SELECT $1::bigint, 'past-' || n, n, $2::bigint, 1, convert_to($4, 'UTF8'), '', 769, 1, 1, n, n
    FROM generate_series(1, $3::integer, 2) n`
const makeAnswers = `
INSERT INTO im_message_recv (msg_to, conversation, msg_id, msg_from, client_msg_id, client_type, msg_type, content,
    cmd_id, msg_seq, send_time)
  SELECT $1::bigint, 'c:' || $1::bigint || ':' || $2::bigint, n, $2::bigint, 'past-' || n, 1, 1,
         convert_to($4, 'UTF8'), 769, 1, n
    FROM generate_series(2, $3::integer, 2) n`
const makeSession = `INSERT INTO im_session (user_id, session_type, peer_id, last_msg_id, created, updated)
  VALUES ($1, 1, $2, $3, 0, 0)`

async function makePast(client: pg.Client): Promise<void> {
  const now = Date.now()
  await client.query(makeReceived, [lister, firstId, sizes.sessions, 1, body, now - sizes.sessions * 1000])
  for (let user = 0; user < sizes.syncUsers; user++) {
    const messages = sizes.syncMessages / sizes.syncSessions
    await client.query(makeReceived, [syncers + user, firstId, sizes.syncSessions, messages, body, now])
  }
  await client.query(makeSent, [talker, talker + 1, sizes.history, body])
  await client.query(makeAnswers, [talker, talker + 1, sizes.history, body])
  await client.query(makeSession, [talker, talker + 1, sizes.history])
}

/** @param tokenOf signs for a user, as the users' app server would ask for */
export async function seed(url: string, tokenOf: (user: number) => string): Promise<Seeded> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(makeUsers, [firstId, users])
    const groupOf = async (members: number, byReading: boolean) => {
      const { rows } = await client.query<{ group_id: number }>(makeGroup, [
        firstId,
        members,
        Date.now(),
        byReading,
      ])
      return rows[0]!.group_id
    }
    const group_id = await groupOf(sizes.group, false)
    const largeGroup_id = await groupOf(sizes.largeGroup, true)
    await makePast(client)
    await client.query('VACUUM ANALYZE')
    await client.query('CHECKPOINT')
    const account = (id: number): Account => ({ id, token: tokenOf(id) })
    return {
      group_id,
      largeGroup_id,
      members: Array.from({ length: sizes.largeGroupOnline }, (_, at) => account(firstId + at)),
      lister: account(lister),
      talker: account(talker),
      talker_peer: talker + 1,
      syncers: Array.from({ length: sizes.syncUsers }, (_, at) => account(syncers + at)),
    }
  } finally {
    await client.end()
  }
}
