/** Users: found by id, and changed once per request. Implements the ports of workers/ports/users.ts. */
import type { Pool, PoolClient } from 'pg'
import type { PresentDevice } from '../../workers/ports/presence.js'
import type {
  ChangeRequest,
  ChangeResult,
  NewUser,
  NickNames,
  ProfileChange,
  User,
  UserChange,
  UserChanges,
  UserDirectory,
} from '../../workers/ports/users.js'
import { inTransaction, prepared } from './pool.js'
import { deletePushTokens, setPushSettings, setPushToken } from './push-changes.js'

const requestsKeptFor_ms = 7 * 86_400_000
const forgottenPerBatch = 100

const columns =
  'user_id, nick_name, avatar_url, attach_info, robot_webhook, token_version, active, created, updated'

const selectUsers = prepared<User>(
  'users-by-id',
  `SELECT ${columns} FROM im_user WHERE user_id = ANY ($1::bigint[])`,
)

/** Reads users on this pool. */
export const createUserDirectory = (pool: Pool): UserDirectory => ({
  async of(userIds) {
    if (userIds.length === 0) return new Map()
    const rows = await selectUsers(pool, [[...new Set(userIds)]])
    return new Map(rows.map((user) => [user.user_id, user]))
  },
})

/** Names only, for delivered messages. */
export const createNickNames = (pool: Pool): NickNames => ({
  async of(userIds) {
    const users = await selectUsers(pool, [[...new Set(userIds)]])
    return new Map(users.map(({ user_id, nick_name }) => [user_id, nick_name]))
  },
})

/** Those that exist already stay as they are and are absent from the answer. */
async function create(client: PoolClient, users: readonly NewUser[], time: number): Promise<User[]> {
  const column = (of: (user: NewUser) => unknown) => users.map((user) => of(user) ?? null)
  const { rows } = await client.query<User>(
    `INSERT INTO im_user (user_id, nick_name, avatar_url, attach_info, robot_webhook, robot_secret, created, updated)
     SELECT u.*, $7, $7
       FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
            AS u(id, nick_name, avatar_url, attach_info, webhook, secret)
      ORDER BY u.id
     ON CONFLICT DO NOTHING
     RETURNING ${columns}`,
    [
      column((user) => user.user_id),
      column((user) => user.nick_name),
      column((user) => user.avatar_url),
      column((user) => user.attach_info),
      column((user) => user.robot?.webhook),
      column((user) => user.robot?.secret),
      time,
    ],
  )
  return rows
}

async function update(client: PoolClient, userId: number, profile: ProfileChange, time: number) {
  const { nick_name, avatar_url, attach_info, robot } = profile
  const { rows } = await client.query<User>(
    `UPDATE im_user
        SET nick_name = coalesce($2, nick_name),
            avatar_url = CASE WHEN $3 THEN $4 ELSE avatar_url END,
            attach_info = CASE WHEN $5 THEN $6 ELSE attach_info END,
            robot_webhook = CASE WHEN $7 THEN $8 ELSE robot_webhook END,
            robot_secret = CASE WHEN $7 THEN $9 ELSE robot_secret END,
            updated = greatest(updated, $10)
      WHERE user_id = $1 RETURNING ${columns}`,
    [
      userId,
      nick_name,
      avatar_url !== undefined,
      avatar_url,
      attach_info !== undefined,
      attach_info,
      robot !== undefined,
      robot?.webhook,
      robot?.secret,
      time,
    ],
  )
  return rows
}

/** Runs an UPDATE of one user with the time of the request. */
const touch = (assignment: string) => async (client: PoolClient, userId: number, time: number) =>
  (
    await client.query<User>(
      `UPDATE im_user SET ${assignment}, updated = greatest(updated, $2) WHERE user_id = $1 RETURNING ${columns}`,
      [userId, time],
    )
  ).rows

const deactivate = touch('active = false')
const rotateToken = touch('token_version = token_version + 1')

async function change(client: PoolClient, asked: UserChange, time: number): Promise<User[]> {
  switch (asked.kind) {
    case 'create':
      return create(client, asked.users, time)
    case 'update':
      return update(client, asked.user_id, asked.profile, time)
    case 'deactivate':
      return deactivate(client, asked.user_id, time)
    case 'rotate-token':
      return rotateToken(client, asked.user_id, time)
    case 'kick':
      return selectUsers(client, [[asked.user_id]])
    case 'set-push-token':
      await setPushToken(client, asked.push, time)
      return selectUsers(client, [[asked.push.user_id]])
    case 'delete-push-tokens':
      await deletePushTokens(client, asked.user_id, asked.which)
      return selectUsers(client, [[asked.user_id]])
    case 'set-push-settings':
      await setPushSettings(client, asked.user_id, asked.settings, time)
      return selectUsers(client, [[asked.user_id]])
  }
}

interface RequestRow {
  readonly digest: string
  readonly users: User[]
  readonly kicked: PresentDevice[] | null
}

const claimRequest = prepared(
  'user-request-claim',
  `INSERT INTO im_user_request (request_key, digest, created) VALUES ($1, $2, $3)
   ON CONFLICT DO NOTHING RETURNING request_key`,
)
const findRequest = prepared<RequestRow>(
  'user-request-find',
  'SELECT digest, users, kicked FROM im_user_request WHERE request_key = $1',
)
const answerRequest = prepared(
  'user-request-answer',
  'UPDATE im_user_request SET users = $2 WHERE request_key = $1',
)
const recordKicked = prepared(
  'user-request-kicked',
  'UPDATE im_user_request SET kicked = $2 WHERE request_key = $1',
)
const forgetRequests = prepared(
  'user-request-forget',
  `DELETE FROM im_user_request WHERE request_key IN
     (SELECT request_key FROM im_user_request WHERE created < $1 ORDER BY created LIMIT ${forgottenPerBatch}
         FOR UPDATE SKIP LOCKED)`,
)

async function applyOnce(
  client: PoolClient,
  request: ChangeRequest,
  asked: UserChange,
): Promise<ChangeResult> {
  const { key, digest, time } = request
  const claimed = await claimRequest(client, [key, digest, time])
  if (claimed.length === 0) {
    const [first] = await findRequest(client, [key])
    if (first === undefined || first.digest !== digest) return { kind: 'key-reused', users: [] }
    return { kind: 'done', users: first.users, ...(first.kicked === null ? {} : { kicked: first.kicked }) }
  }
  const users = await change(client, asked, time)
  await answerRequest(client, [key, JSON.stringify(users)])
  return { kind: 'done', users }
}

/** Changes users on this pool. */
export const createUserChanges = (pool: Pool): UserChanges => ({
  apply: (changes) =>
    inTransaction(pool, async (client) => {
      const results: ChangeResult[] = []
      for (const each of changes) results.push(await applyOnce(client, each.request, each.change))
      await forgetRequests(client, [Date.now() - requestsKeptFor_ms])
      return results
    }),

  recordKicks: (kicks) =>
    inTransaction(pool, async (client) => {
      for (const { key, kicked } of kicks) await recordKicked(client, [key, JSON.stringify(kicked)])
    }),
})
