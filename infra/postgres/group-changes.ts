/**
 * Changes of groups: judged under the lock of the group's conversation, and written with the number and the
 * NOTIFICATION message of the change (spec 2, "Group chat" 2). Implements the GroupChanges of workers/ports/groups.ts.
 */
import type { Pool, PoolClient } from 'pg'
import { commands } from '../../schemas/packets.js'
import type {
  Group,
  GroupChanges,
  GroupOutcome,
  GroupPlan,
  GroupRequest,
  GroupState,
  JoinRequest,
  StoredNotification,
} from '../../workers/ports/groups.js'
import { isUniqueViolation } from './errors.js'
import { diffuse, diffusionOf } from './group-diffusion.js'
import { endJoins, joinNews, keepJoins, namedJoins, openJoins } from './group-joins.js'
import { selectGroups, selectMembers } from './groups.js'
import { inTransaction, prepared } from './pool.js'

/** Two owners of one partition can meet this often before it is odd. */
const maxJudgements = 10
const notificationType = 6
const groupSession = 2

const lockConversation = prepared<{ last_msg_id: number }>(
  'group-lock',
  'SELECT last_msg_id FROM im_conversation WHERE conversation = $1 FOR UPDATE',
)
const selectNames = prepared<{ user_id: number; nick_name: string; blocks: boolean }>(
  'group-user-names',
  `SELECT u.user_id, u.nick_name, coalesce(c.blocked, false) AS blocks
     FROM im_user u LEFT JOIN im_contact c ON c.user_id = u.user_id AND c.peer_id = $2
    WHERE u.user_id = ANY ($1::bigint[]) AND u.active`,
)
const selectHeir = prepared<{ user_id: number }>(
  'group-heir',
  `SELECT m.user_id FROM im_group_member m JOIN im_group g USING (group_id)
    WHERE m.group_id = $1 AND m.left_at_msg_id IS NULL AND m.user_id <> g.owner_id
    ORDER BY m.role DESC, m.joined_at_msg_id, m.user_id LIMIT 1`,
)
const selectMemberIds = prepared<{ user_id: number }>(
  'group-member-ids',
  'SELECT user_id FROM im_group_member WHERE group_id = $1 AND left_at_msg_id IS NULL ORDER BY user_id',
)

interface FirstRow {
  readonly group_id: number
  readonly msg_id: number
  readonly msg_from: number
  readonly content: Buffer
  readonly send_time: number
  readonly content_hash: Buffer
}
const firstColumns = 'm.group_id, m.msg_id, m.msg_from, m.content, m.send_time, s.content_hash'

/** What an earlier attempt stored. The owner may be another by now, so a group's is found by the group. */
const findChange = prepared<FirstRow>(
  'group-change-find',
  `SELECT ${firstColumns} FROM im_message_group m
     JOIN im_message_send s ON s.from_id = m.msg_from AND s.client_msg_id = m.client_msg_id
    WHERE m.group_id = $1 AND m.client_msg_id = $2 AND m.msg_type = ${notificationType}`,
)
const findCreation = prepared<FirstRow>(
  'group-creation-find',
  `SELECT ${firstColumns} FROM im_message_send s
     JOIN im_message_group m ON m.group_id = s.group_id AND m.msg_id = s.msg_id
    WHERE s.from_id = $1 AND s.client_msg_id = $2 AND s.msg_type = ${notificationType}`,
)

const makeConversation = prepared(
  'group-conversation',
  'INSERT INTO im_conversation (conversation) VALUES ($1)',
)
const makeGroup = prepared<{ group_id: number }>(
  'group-make',
  `INSERT INTO im_group (group_name, owner_id, create_user_id, announcement, intro, avatar, group_type, version,
                         member_count, create_time, update_time)
   VALUES ($1, $2, $2, $3, $4, $5, $6, 0, 0, $7, $7) RETURNING group_id`,
)
/** `counted`: up to it; a NOTIFICATION is none that counts. */
const takeNumber = prepared<{ last_msg_id: number; counted: number }>(
  'group-number',
  'UPDATE im_conversation SET last_msg_id = last_msg_id + 1 WHERE conversation = $1 RETURNING last_msg_id, counted',
)
const changeGroup = prepared<{ member_count: number }>(
  'group-change',
  `UPDATE im_group
      SET group_name = coalesce($2, group_name), owner_id = coalesce($3, owner_id),
          announcement = coalesce($4, announcement), intro = coalesce($5, intro), avatar = coalesce($6, avatar),
          group_type = coalesce($7, group_type), mute_model = coalesce($8, mute_model),
          join_model = coalesce($9, join_model), be_invite_model = coalesce($10, be_invite_model),
          disbanded = disbanded OR coalesce($11, false),
          member_count = member_count + $12, version = version + 1, update_time = greatest(update_time, $13)
    WHERE group_id = $1 RETURNING member_count`,
)
/** Who was a member before starts anew (spec 2, "Group chat" 6). */
const addMembers = prepared(
  'group-members-add',
  `INSERT INTO im_group_member (group_id, user_id, joined_at_msg_id, created)
     SELECT $1::bigint, u, $3::bigint, $4::bigint FROM unnest($2::bigint[]) u ORDER BY u
   ON CONFLICT (group_id, user_id) DO UPDATE
     SET role = 0, joined_at_msg_id = excluded.joined_at_msg_id, left_at_msg_id = NULL, mute_until = 0,
         created = excluded.created`,
)
const removeMembers = prepared(
  'group-members-remove',
  `UPDATE im_group_member SET left_at_msg_id = $3, role = 0, mute_until = 0
    WHERE group_id = $1 AND user_id = ANY ($2::bigint[])`,
)
const changeRoles = prepared(
  'group-roles',
  `UPDATE im_group_member m SET role = r.role FROM unnest($2::bigint[], $3::smallint[]) r(user_id, role)
    WHERE m.group_id = $1 AND m.user_id = r.user_id`,
)
const changeMutes = prepared(
  'group-mutes',
  'UPDATE im_group_member SET mute_until = $3 WHERE group_id = $1 AND user_id = ANY ($2::bigint[])',
)
/** In the order of the fan-out, so that the two never wait for each other in a circle. */
const lockSessions = prepared(
  'group-sessions-lock',
  `SELECT user_id FROM im_session WHERE user_id = ANY ($2::bigint[]) AND session_type = ${groupSession} AND peer_id = $1
    ORDER BY user_id FOR UPDATE`,
)
/** The former interval of who joins again is no longer shown, so it is not unread either. */
const renewSessions = prepared(
  'group-sessions-renew',
  `UPDATE im_session SET unread = 0, read_msg_id = greatest(read_msg_id, $3::bigint - 1)
    WHERE user_id = ANY ($2::bigint[]) AND session_type = ${groupSession} AND peer_id = $1`,
)
/** Of who did it; the other members' come with the fan-out. */
const listSession = prepared(
  'group-session-list',
  `INSERT INTO im_session AS s (user_id, session_type, peer_id, last_msg_id, created, updated)
     VALUES ($2, ${groupSession}, $1, $3, $4, $4)
   ON CONFLICT (user_id, session_type, peer_id) DO UPDATE
     SET last_msg_id = greatest(s.last_msg_id, excluded.last_msg_id),
         updated = greatest(s.updated, excluded.updated), session_status = 0`,
)
const keepSent = prepared(
  'group-notification-sent',
  `INSERT INTO im_message_send (from_id, client_msg_id, msg_id, to_id, group_id, msg_type, msg_content, content_hash,
                                cmd_id, msg_seq, client_type, created, updated)
   VALUES ($1, $2, $3, $4, $4, ${notificationType}, $5, $6, ${commands.MSG_DATA.id}, $7, $8, $9, $9)`,
)
const keepContent = prepared(
  'group-notification-content',
  `INSERT INTO im_message_group (group_id, msg_id, msg_from, client_msg_id, client_type, msg_type, content, cmd_id,
                                 msg_seq, send_time, counted)
   VALUES ($4, $3, $1, $2, $7, ${notificationType}, $5, ${commands.MSG_DATA.id}, $6, $8, $9)`,
)

const conversationOf = (group_id: number) => `g:${group_id}`

/** What a group's size is measured by. */
export interface GroupSizes {
  /** Members above which its messages are by reading. */
  readonly writeDiffusionMax: number
}

/** Changes groups on this pool. */
export const createGroupChanges = (pool: Pool, sizes: GroupSizes): GroupChanges => ({
  async apply(requests) {
    const outcomes: GroupOutcome[] = []
    for (const request of requests) outcomes.push(await applyOne(pool, request, sizes))
    return outcomes
  },
})

async function applyOne(pool: Pool, request: GroupRequest, sizes: GroupSizes): Promise<GroupOutcome> {
  for (let judgement = 1; ; judgement++) {
    try {
      return await inTransaction(pool, (client) => attempt(client, request, sizes))
    } catch (error) {
      // Rolled back; judged again it finds what the other owner stored.
      if (!isUniqueViolation(error) || judgement === maxJudgements) throw error
    }
  }
}

async function attempt(client: PoolClient, request: GroupRequest, sizes: GroupSizes): Promise<GroupOutcome> {
  const { group_id } = request
  const now = Date.now()
  if (group_id !== undefined) await lockConversation(client, [conversationOf(group_id)])
  const [first] =
    group_id === undefined
      ? await findCreation(client, [request.owner_id, request.msg_id])
      : await findChange(client, [group_id, request.msg_id])
  const joins = await namedJoins(client, request, now)
  if (first !== undefined)
    return first.content_hash.equals(request.digest)
      ? outcomeOf(client, first.group_id, {
          stored: storedBefore(request.msg_id, first),
          asked: joins.written,
        })
      : { kind: 'key-reused' }
  if (joins.written.length > 0) return outcomeOf(client, group_id as number, { asked: joins.written })
  const verdict = request.judge(await stateOf(client, request, joins.open, now))
  if (verdict.kind === 'refused') return verdict
  if (verdict.kind === 'planned') return write(client, request, verdict.plan, sizes, now)
  if (verdict.kind === 'nothing') return outcomeOf(client, group_id as number, {})
  await keepJoins(client, group_id as number, verdict.joins, request, now)
  return outcomeOf(client, group_id as number, { asked: (await namedJoins(client, request, now)).written })
}

async function stateOf(
  client: PoolClient,
  { group_id, named, operator }: GroupRequest,
  joins: GroupState['joins'],
  now: number,
): Promise<GroupState> {
  const found = await selectNames(client, [named, operator])
  const users = new Map(found.map(({ user_id, nick_name }) => [user_id, nick_name]))
  const blockers = new Set(found.filter(({ blocks }) => blocks).map(({ user_id }) => user_id))
  if (group_id === undefined)
    return { group: undefined, members: new Map(), users, blockers, joins, openJoins: 0, heir: undefined }
  const [group] = await selectGroups(client, [[group_id], null])
  const members = await selectMembers(client, [group_id, named])
  const [heir] = group && named.includes(group.owner_id) ? await selectHeir(client, [group_id]) : []
  return {
    group: group?.disbanded ? undefined : group,
    members: new Map(members.map((member) => [member.user_id, member])),
    users,
    blockers,
    joins,
    openJoins: await openJoins(client, group, now),
    heir: heir?.user_id,
  }
}

/** Writes a change with its number: the group, its members, the message, the sessions. */
async function write(
  client: PoolClient,
  request: GroupRequest,
  plan: GroupPlan,
  sizes: GroupSizes,
  now: number,
): Promise<GroupOutcome> {
  const group_id = request.group_id ?? (await beginGroup(client, plan, now))
  const [numbered] = await takeNumber(client, [conversationOf(group_id)])
  const { last_msg_id: number, counted } = numbered as { last_msg_id: number; counted: number }
  const [group] = await writeGroup(client, group_id, plan, now)
  const size = { ...sizes, members: group?.member_count ?? 0 }
  const diffusion = await diffusionOf(client, group_id, size, plan)
  // All that are written below, at once and in order.
  await lockSessions(client, [group_id, [plan.from, ...plan.added, ...diffusion.settling]])
  await writeMembers(client, group_id, plan, number, now)
  await keepJoins(client, group_id, plan.joins, request, now)
  await diffuse(client, group_id, diffusion, number, now)
  await writeSessions(client, group_id, plan, number, now)
  const content = Buffer.from(JSON.stringify(plan.notification))
  const { msg_id, digest, msg_seq, client_type } = request
  const named = [plan.from, msg_id, number, group_id, content]
  await keepSent(client, [...named, digest, msg_seq, client_type, now])
  await keepContent(client, [...named, msg_seq, client_type, now, counted])
  return outcomeOf(client, group_id, {
    stored: notification(group_id, plan.from, msg_id, number, content, now),
    asked: plan.joins.length > 0 ? (await namedJoins(client, request, now)).written : [],
  })
}

/** A group with nobody in it yet, and its conversation. */
async function beginGroup(client: PoolClient, { group }: GroupPlan, now: number): Promise<number> {
  const { group_name, owner_id, announcement, intro, avatar, group_type } = group
  const [made] = await makeGroup(client, [group_name, owner_id, announcement, intro, avatar, group_type, now])
  const { group_id } = made as { group_id: number }
  await makeConversation(client, [conversationOf(group_id)])
  return group_id
}

const writeGroup = (client: PoolClient, group_id: number, plan: GroupPlan, now: number) => {
  const { group, added, removed } = plan
  return changeGroup(client, [
    group_id,
    group.group_name,
    group.owner_id,
    group.announcement,
    group.intro,
    group.avatar,
    group.group_type,
    group.mute_model,
    group.join_model,
    group.be_invite_model,
    group.disbanded,
    added.length - removed.length,
    now,
  ])
}

async function writeMembers(
  client: PoolClient,
  group_id: number,
  { group, added, removed, roles, muted }: GroupPlan,
  number: number,
  now: number,
): Promise<void> {
  if (added.length > 0) await addMembers(client, [group_id, added, number, now])
  if (added.length > 0) await endJoins(client, group_id, added)
  if (group.disbanded) await endJoins(client, group_id)
  if (removed.length > 0) await removeMembers(client, [group_id, removed, number])
  if (roles.length > 0)
    await changeRoles(client, [group_id, roles.map(({ user_id }) => user_id), roles.map(({ role }) => role)])
  if (muted !== undefined) await changeMutes(client, [group_id, muted.members, muted.until])
}

/** Who leaves keeps the session as it was: the message of it is beyond what they see. */
async function writeSessions(
  client: PoolClient,
  group_id: number,
  { from, added, removed }: GroupPlan,
  number: number,
  now: number,
): Promise<void> {
  if (added.length > 0) await renewSessions(client, [group_id, added, number])
  if (!removed.includes(from)) await listSession(client, [group_id, from, number, now])
}

/** What a request has written, now or before. */
interface Written {
  readonly stored?: StoredNotification
  readonly asked?: readonly JoinRequest[]
}

async function outcomeOf(
  client: PoolClient,
  group_id: number,
  { stored, asked = [] }: Written,
): Promise<GroupOutcome> {
  const [group] = await selectGroups(client, [[group_id], null])
  const rows = await selectMemberIds(client, [group_id])
  const known = { group: group as Group, members: rows.map(({ user_id }) => user_id) }
  if (stored === undefined && asked.length === 0) return { kind: 'nothing', ...known }
  const joins = await joinNews(client, group_id, asked)
  return stored === undefined
    ? { kind: 'asked', joins, ...known }
    : { kind: 'changed', notification: stored, joins, ...known }
}

const notification = (
  group_id: number,
  from_user_id: number,
  msg_id: string,
  server_msg_id: number,
  msg_data: Buffer,
  stored_time: number,
): StoredNotification => ({
  from_user_id,
  to_session_id: group_id,
  msg_id,
  server_msg_id,
  msg_type: notificationType,
  msg_data,
  attach: null,
  mention: [],
  stored_time,
})

const storedBefore = (msg_id: string, { group_id, msg_from, msg_id: number, content, send_time }: FirstRow) =>
  notification(group_id, msg_from, msg_id, number, content, send_time)
