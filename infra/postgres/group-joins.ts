/** Applications to join groups and invitations to them, as they are written and read. */
import type { Pool, PoolClient } from 'pg'
import type {
  Group,
  GroupDirectory,
  GroupRequest,
  JoinChange,
  JoinNews,
  JoinRequest,
} from '../../workers/ports/groups.js'
import { prepared } from './pool.js'

const open = 1
const byApproval = 1
const byConsent = 1

const joinColumns = `j.group_id, g.group_name, j.user_id, j.kind, j.from_user_id, j.state, j.join_text, j.create_time,
  j.expire_time`

const selectJoins = prepared<JoinRequest & { request_id: string }>(
  'group-joins-by-id',
  `SELECT ${joinColumns}, j.request_id FROM im_group_join j JOIN im_group g USING (group_id)
    WHERE j.group_id = $1 AND j.user_id = ANY ($2::bigint[]) AND j.expire_time > $3 ORDER BY j.user_id`,
)
const countOpen = prepared<{ open: number }>(
  'group-joins-open',
  `SELECT count(*) AS open FROM im_group_join WHERE group_id = $1 AND state = ${open} AND expire_time > $2`,
)
const selectAdmins = prepared<{ user_id: number }>(
  'group-admins',
  `SELECT user_id FROM im_group_member WHERE group_id = $1 AND left_at_msg_id IS NULL AND role > 0 ORDER BY user_id`,
)
const dropExpired = prepared(
  'group-joins-expire',
  'DELETE FROM im_group_join WHERE group_id = $1 AND expire_time <= $2',
)
/** What is refused keeps its times. */
const writeJoins = prepared(
  'group-joins-write',
  `INSERT INTO im_group_join AS j (group_id, user_id, kind, from_user_id, state, join_text, request_id, create_time,
                                   expire_time)
     SELECT $1::bigint, a.u, a.k, a.f, a.s, a.t, $7, $8::bigint, $9::bigint
       FROM unnest($2::bigint[], $3::smallint[], $4::bigint[], $5::smallint[], $6::text[]) a(u, k, f, s, t) ORDER BY a.u
   ON CONFLICT (group_id, user_id) DO UPDATE
     SET kind = excluded.kind, from_user_id = excluded.from_user_id, state = excluded.state,
         join_text = excluded.join_text, request_id = excluded.request_id,
         create_time = CASE WHEN excluded.state = ${open} THEN excluded.create_time ELSE j.create_time END,
         expire_time = CASE WHEN excluded.state = ${open} THEN excluded.expire_time ELSE j.expire_time END`,
)
const dropJoins = prepared(
  'group-joins-drop',
  'DELETE FROM im_group_join WHERE group_id = $1 AND ($2::bigint[] IS NULL OR user_id = ANY ($2))',
)

/** Of the users that a request names. */
export interface NamedJoins {
  readonly open: ReadonlyMap<number, JoinChange>
  /** What an earlier attempt of the same request wrote. */
  readonly written: readonly JoinRequest[]
}

/** Read under the lock of the group's conversation. @param now ms */
export async function namedJoins(
  client: PoolClient,
  { group_id, named, msg_id }: GroupRequest,
  now: number,
): Promise<NamedJoins> {
  const rows = group_id === undefined ? [] : await selectJoins(client, [group_id, named, now])
  return {
    open: new Map(rows.filter(({ state }) => state === open).map((row) => [row.user_id, row])),
    written: rows.filter(({ request_id }) => request_id === msg_id),
  }
}

/** How many are open in a group; not counted where its models let none be opened. @param now ms */
export async function openJoins(client: PoolClient, group: Group | undefined, now: number): Promise<number> {
  const mayBe = group?.join_model === byApproval || group?.be_invite_model === byConsent
  const [counted] = group && mayBe ? await countOpen(client, [group.group_id, now]) : []
  return Number(counted?.open ?? 0)
}

/** Opens or refuses these. @param now ms */
export async function keepJoins(
  client: PoolClient,
  group_id: number,
  joins: readonly JoinChange[],
  { msg_id, joinExpires_ms }: GroupRequest,
  now: number,
): Promise<void> {
  if (joins.length === 0) return
  await dropExpired(client, [group_id, now])
  await writeJoins(client, [
    group_id,
    joins.map(({ user_id }) => user_id),
    joins.map(({ kind }) => kind),
    joins.map(({ from_user_id }) => from_user_id),
    joins.map(({ state }) => state),
    joins.map(({ join_text }) => join_text),
    msg_id,
    now,
    now + joinExpires_ms,
  ])
}

/** Of who has joined; without users of all, as nobody joins a group that is disbanded. */
export const endJoins = async (
  client: PoolClient,
  group_id: number,
  users?: readonly number[],
): Promise<void> => void (await dropJoins(client, [group_id, users ?? null]))

/** With who hears of them. */
export async function joinNews(
  client: PoolClient,
  group_id: number,
  requests: readonly JoinRequest[],
): Promise<JoinNews> {
  const admins = requests.length === 0 ? [] : await selectAdmins(client, [group_id])
  return { requests, admins: admins.map(({ user_id }) => user_id) }
}

const joinsOfGroup = prepared<JoinRequest>(
  'joins-of-group',
  `SELECT ${joinColumns} FROM im_group_join j JOIN im_group g USING (group_id)
    WHERE j.group_id = $1 AND j.user_id > $2 AND j.state = ${open} AND j.expire_time > $4
    ORDER BY j.user_id LIMIT $3`,
)
const joinsOfUser = prepared<JoinRequest>(
  'joins-of-user',
  `SELECT ${joinColumns} FROM im_group_join j JOIN im_group g USING (group_id)
    WHERE j.user_id = $1 AND j.group_id > $2 AND j.expire_time > $4 ORDER BY j.group_id LIMIT $3`,
)

/** Reads them on this pool. */
export const createJoinLists = (pool: Pool): Pick<GroupDirectory, 'joinsOfGroup' | 'joinsOfUser'> => ({
  joinsOfGroup: ({ group_id, after, limit }) =>
    joinsOfGroup(pool, [group_id, after, limit ?? null, Date.now()]),
  joinsOfUser: ({ user_id, after, limit }) => joinsOfUser(pool, [user_id, after, limit ?? null, Date.now()]),
})
