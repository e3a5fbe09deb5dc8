/** Contacts: read by version, and changed under the locks of the lists. Implements the ports of workers/ports/contacts.ts. */
import type { Pool, PoolClient } from 'pg'
import { conversationOf } from '../../schemas/ids.js'
import type {
  Contact,
  ContactChanges,
  ContactDirectory,
  ContactOutcome,
  ContactRequest,
  ContactsState,
  ListedUser,
  Relation,
  RelationChange,
} from '../../workers/ports/contacts.js'
import type { StrangerPolicy } from './messages.js'
import { inTransaction, prepared } from './pool.js'

const stranger: Relation = { state: 0, blocked: false, remark: '', greeting: '' }

const relationColumns = 'c.user_id, c.peer_id, c.state, c.blocked, c.remark, c.greeting'
const contactColumns = `${relationColumns}, c.version, c.updated, u.nick_name, u.avatar_url, u.attach_info`

/** From the start nobody needs to hear of what is no more. */
const contactsSince = prepared<Contact>(
  'contacts-since',
  `SELECT ${contactColumns} FROM im_contact c JOIN im_user u ON u.user_id = c.peer_id
    WHERE c.user_id = $1 AND c.version > $2 AND ($2 > 0 OR c.state <> 0 OR c.blocked)
    ORDER BY c.version LIMIT $3`,
)
const friendsOf = prepared<ListedUser>(
  'contacts-friends',
  `SELECT u.user_id, u.nick_name, u.avatar_url, u.attach_info
     FROM im_contact c JOIN im_user u ON u.user_id = c.peer_id
    WHERE c.user_id = $1 AND c.state = 3 AND u.active ORDER BY u.user_id LIMIT $2`,
)
const strangersTo = prepared<ListedUser>(
  'contacts-strangers',
  `SELECT u.user_id, u.nick_name, u.avatar_url, u.attach_info FROM im_user u
    WHERE u.active AND u.user_id <> $1
      AND NOT EXISTS (SELECT FROM im_contact c WHERE c.user_id = $1 AND c.peer_id = u.user_id AND c.state = 3)
      AND NOT EXISTS (SELECT FROM im_contact b WHERE b.user_id = u.user_id AND b.peer_id = $1 AND b.blocked)
    ORDER BY u.user_id LIMIT $2`,
)

/** Both are in the org tree. */
const colleagues = (one: string, other: string) =>
  `EXISTS (SELECT FROM im_org_member o WHERE o.user_id = ${one} AND NOT o.removed)
      AND EXISTS (SELECT FROM im_org_member o WHERE o.user_id = ${other} AND NOT o.removed)`
const friendlyColleaguesOf = prepared<ListedUser>(
  'contacts-friendly-colleagues',
  `SELECT u.user_id, u.nick_name, u.avatar_url, u.attach_info
     FROM im_contact c JOIN im_user u ON u.user_id = c.peer_id
    WHERE c.user_id = $1 AND c.state = 3 AND u.active AND ${colleagues('$1', 'u.user_id')}
    ORDER BY u.user_id LIMIT $2`,
)
/** By the key of the tree's members, so that it is read no further than to the last one listed. */
const otherColleaguesOf = prepared<ListedUser>(
  'contacts-colleagues',
  `SELECT u.user_id, u.nick_name, u.avatar_url, u.attach_info
     FROM (SELECT DISTINCT m.user_id FROM im_org_member m WHERE NOT m.removed AND m.user_id <> $1) k
     JOIN im_user u ON u.user_id = k.user_id
    WHERE u.active AND EXISTS (SELECT FROM im_org_member o WHERE o.user_id = $1 AND NOT o.removed)
      AND NOT EXISTS (SELECT FROM im_contact c WHERE c.user_id = $1 AND c.peer_id = u.user_id AND c.state = 3)
      AND NOT EXISTS (SELECT FROM im_contact b WHERE b.user_id = u.user_id AND b.peer_id = $1 AND b.blocked)
    ORDER BY k.user_id LIMIT $2`,
)

type ListUsers = (pool: Pool, values: unknown[]) => Promise<ListedUser[]>

/** Whom one may write to, as each policy has it: friends, then others. */
const reachableBy: Readonly<Record<StrangerPolicy, readonly [friends: ListUsers, others?: ListUsers]>> = {
  anyone: [friendsOf, strangersTo],
  friends: [friendsOf],
  organization: [friendlyColleaguesOf, otherColleaguesOf],
}

/** Reads contacts on this pool. @param policy STRANGER_POLICY */
export const createContactDirectory = (pool: Pool, policy: StrangerPolicy): ContactDirectory => {
  const [listFriends, listOthers] = reachableBy[policy]
  return {
    changedSince: (user_id, version, limit) => contactsSince(pool, [user_id, version, limit]),
    async reachable(user_id, limit) {
      const friends = await listFriends(pool, [user_id, limit])
      if (listOthers === undefined || friends.length === limit) return friends
      return [...friends, ...(await listOthers(pool, [user_id, limit - friends.length]))]
    },
  }
}

/** A store of a message takes the same locks: after the COMMIT of a block nothing comes through, no first message either. */
const makeConversations = prepared(
  'contacts-conversations-make',
  `INSERT INTO im_conversation (conversation) SELECT c FROM unnest($1::text[]) c
    WHERE NOT EXISTS (SELECT FROM im_conversation x WHERE x.conversation = c) ORDER BY 1 ON CONFLICT DO NOTHING`,
)
const lockConversations = prepared(
  'contacts-conversations-lock',
  'SELECT FROM im_conversation WHERE conversation = ANY ($1::text[]) ORDER BY conversation FOR UPDATE',
)
const makeLists = prepared(
  'contacts-lists-make',
  `INSERT INTO im_contact_list (user_id) SELECT u FROM unnest($1::bigint[]) u ORDER BY u ON CONFLICT DO NOTHING`,
)
const lockLists = prepared(
  'contacts-lists-lock',
  'SELECT FROM im_contact_list WHERE user_id = ANY ($1::bigint[]) ORDER BY user_id FOR UPDATE',
)
const selectKnown = prepared<{ user_id: number }>(
  'contacts-users',
  'SELECT user_id FROM im_user WHERE user_id = ANY ($1::bigint[]) AND active',
)
type RelationRow = Relation & {
  readonly user_id: number
  readonly peer_id: number
  readonly request_time: number
}
const selectRelations = prepared<RelationRow>(
  'contacts-relations',
  `SELECT ${relationColumns}, c.request_time
     FROM im_contact c JOIN unnest($2::bigint[]) p(peer) ON c.user_id = $1 AND c.peer_id = p.peer
   UNION ALL
   SELECT ${relationColumns}, c.request_time
     FROM im_contact c JOIN unnest($2::bigint[]) p(peer) ON c.user_id = p.peer AND c.peer_id = $1`,
)
/** Each change takes the next version of its list. */
const writeRelations = prepared(
  'contacts-write',
  `WITH asked AS (
     SELECT a.*, l.version + row_number() OVER (PARTITION BY a.u ORDER BY a.p) AS v
       FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::boolean[], $5::text[], $6::text[])
            AS a(u, p, s, b, r, g)
       JOIN im_contact_list l ON l.user_id = a.u
   ), written AS (
     INSERT INTO im_contact (user_id, peer_id, state, blocked, remark, greeting, version, request_time, created, updated)
       SELECT u, p, s, b, r, g, v, $7::bigint, $8::bigint, $8::bigint FROM asked ORDER BY u, p
     ON CONFLICT (user_id, peer_id) DO UPDATE
       SET state = excluded.state, blocked = excluded.blocked, remark = excluded.remark, greeting = excluded.greeting,
           version = excluded.version, request_time = excluded.request_time, updated = excluded.updated
   )
   UPDATE im_contact_list l SET version = m.v FROM (SELECT u, max(v) AS v FROM asked GROUP BY u) m
    WHERE l.user_id = m.u`,
)
const selectContacts = prepared<Contact>(
  'contacts-by-pair',
  `SELECT ${contactColumns} FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY a(u, p, o)
     JOIN im_contact c ON c.user_id = a.u AND c.peer_id = a.p
     JOIN im_user u ON u.user_id = a.p
    ORDER BY a.o`,
)

/** Changes contacts on this pool. */
export const createContactChanges = (pool: Pool): ContactChanges => ({
  async apply(requests) {
    const outcomes: ContactOutcome[] = []
    for (const request of requests)
      outcomes.push(await inTransaction(pool, (client) => applyOne(client, request)))
    return outcomes
  },
})

const keyOf = (user_id: number, peer_id: number) => `${user_id}:${peer_id}`

async function applyOne(client: PoolClient, request: ContactRequest): Promise<ContactOutcome> {
  const { user_id, time } = request
  const peers = [...new Set(request.peers)]
  const everybody = [user_id, ...peers]
  // In the order of all who take both: conversations first.
  const conversations = peers.map((peer) => conversationOf(user_id, peer))
  await makeConversations(client, [conversations])
  await lockConversations(client, [conversations])
  const users = new Set((await selectKnown(client, [everybody])).map((known) => known.user_id))
  await makeLists(client, [everybody])
  await lockLists(client, [everybody])
  const rows = await selectRelations(client, [user_id, peers])
  const standing = new Map(rows.map((row) => [keyOf(row.user_id, row.peer_id), row]))
  const state: ContactsState = {
    users,
    relation: (user, peer) => relationOf(standing.get(keyOf(user, peer))),
  }
  const verdict = request.judge(state)
  if (verdict.kind === 'refused') return verdict
  const fresh = verdict.changes.filter(
    (each) => !isSame(each.relation, state.relation(each.user_id, each.peer_id)),
  )
  if (fresh.length > 0) await write(client, fresh, time)
  const contacts = await selectContacts(client, [peers.map(() => user_id), peers])
  // By this very request before, if not now: it died between COMMIT and publishing.
  const mine = verdict.changes.filter(
    (each) => fresh.includes(each) || standing.get(keyOf(each.user_id, each.peer_id))?.request_time === time,
  )
  const changed = await selectContacts(client, [
    mine.map((each) => each.user_id),
    mine.map((each) => each.peer_id),
  ])
  return { kind: 'done', contacts, changed }
}

const relationOf = (row: RelationRow | undefined): Relation =>
  row === undefined
    ? stranger
    : { state: row.state, blocked: row.blocked, remark: row.remark, greeting: row.greeting }

const isSame = (one: Relation, other: Relation): boolean =>
  one.state === other.state &&
  one.blocked === other.blocked &&
  one.remark === other.remark &&
  one.greeting === other.greeting

const write = (client: PoolClient, changes: readonly RelationChange[], time: number) => {
  const column = (of: (change: RelationChange) => unknown) => changes.map(of)
  return writeRelations(client, [
    column(({ user_id }) => user_id),
    column(({ peer_id }) => peer_id),
    column(({ relation }) => relation.state),
    column(({ relation }) => relation.blocked),
    column(({ relation }) => relation.remark),
    column(({ relation }) => relation.greeting),
    time,
    Date.now(),
  ])
}
