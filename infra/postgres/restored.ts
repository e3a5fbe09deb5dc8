/** What is raised in a database that was restored from a backup. Implements the RestoredDatabase of ops/ports.ts. */
import pg from 'pg'
import type { RestoredDatabase } from '../../ops/ports.js'

/**
 * More than can have happened in one conversation or group between a backup and its restoration; and in a list or
 * timeline, where it is also more than one holds, so that no version meets another's while they are raised.
 */
const ahead = 1_000_000
const farAhead = 1_000_000_000
const conversationsPerStep = 10_000

// Versions of rows are raised too: a client that asks what has changed since what it saw gets all of them.
const advances = [
  // Their records are behind the offsets of the delay topics, or gone: they would hold up their conversations.
  'DELETE FROM im_webhook_waiting',
  `SELECT setval('im_group_id', last_value + ${ahead}) FROM im_group_id`,
  `INSERT INTO im_timeline AS t (user_id, last_cursor) SELECT user_id, ${farAhead} FROM im_user
   ON CONFLICT (user_id) DO UPDATE SET last_cursor = t.last_cursor + ${farAhead}`,
  `INSERT INTO im_contact_list AS l (user_id, version) SELECT user_id, ${farAhead} FROM im_user
   ON CONFLICT (user_id) DO UPDATE SET version = l.version + ${farAhead}`,
  `UPDATE im_contact SET version = version + ${farAhead}`,
  `UPDATE im_org SET version = version + ${farAhead}`,
  `UPDATE im_org_department SET version = version + ${farAhead}`,
  `UPDATE im_org_member SET version = version + ${farAhead}`,
  `UPDATE im_group SET version = version + ${ahead}`,
]

const renumberSome = `
  WITH raised AS (
    UPDATE im_conversation c SET last_msg_id = c.last_msg_id + ${ahead}
      FROM (SELECT conversation FROM im_conversation WHERE conversation > $1
             ORDER BY conversation LIMIT ${conversationsPerStep}) k
     WHERE c.conversation = k.conversation
    RETURNING c.conversation
  )
  SELECT max(conversation) AS last, count(*)::int AS count FROM raised`

/** On a connection of its own: all users' rows take longer than a statement of ours may otherwise. */
async function connected<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url, application_name: 'coffeechat-ops' })
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Of the database at this address. */
export const createRestoredDatabase = (url: string): RestoredDatabase => ({
  advance: () =>
    connected(url, async (client) => {
      await client.query('BEGIN')
      for (const statement of advances) await client.query(statement)
      await client.query('COMMIT')
    }),

  renumber: () =>
    connected(url, async (client) => {
      let conversations = 0
      for (let after: string | null = ''; after !== null; ) {
        const { rows }: pg.QueryResult<{ last: string | null; count: number }> = await client.query(
          renumberSome,
          [after],
        )
        conversations += rows[0]?.count ?? 0
        after = rows[0]?.last ?? null
      }
      return conversations
    }),
})
