/** What is stored of all groups of a system, and what their members pull, for the checker of groups. */
import { CIM } from '../../proto/index.js'
import { isGroupId } from '../../schemas/ids.js'
import { connectDevice, type Device } from './device.js'
import type { GroupEvidence, GroupMessageRow, MembershipRow, StoredGroups } from './group-checker.js'
import { messagesOf } from './group-member.js'
import { pullAll } from './pull.js'
import { rowsOf } from './rows.js'

const queries = {
  messages: `SELECT group_id::float8, msg_id::float8, msg_from::float8 AS "from", client_msg_id, msg_type, content
               FROM im_message_group`,
  sent: `SELECT group_id::float8, msg_id::float8, from_id::float8 AS "from", client_msg_id
           FROM im_message_send WHERE group_id IS NOT NULL`,
  copies: `SELECT msg_to::float8, group_id::float8, msg_id::float8, msg_from::float8 AS "from", client_msg_id
             FROM im_message_recv WHERE group_id IS NOT NULL`,
  memberships: `SELECT group_id::float8, user_id::float8, joined_at_msg_id::float8, left_at_msg_id::float8
                  FROM im_group_member`,
  sessions: `SELECT user_id::float8, peer_id::float8, unread, read_msg_id::float8, last_msg_id::float8
               FROM im_session WHERE session_type = 2`,
  counters: `SELECT substr(conversation, 3)::float8 AS group_id, last_msg_id::float8
               FROM im_conversation WHERE conversation LIKE 'g:%'`,
}

/** @param url of the system's database */
export async function readStoredGroups(url: string): Promise<StoredGroups> {
  const [messages, sent, copies, memberships, sessions, counters] = await Promise.all([
    rowsOf<GroupMessageRow>(url, queries.messages, []),
    rowsOf<StoredGroups['sent'][number]>(url, queries.sent, []),
    rowsOf<StoredGroups['copies'][number]>(url, queries.copies, []),
    rowsOf<MembershipRow>(url, queries.memberships, []),
    rowsOf<StoredGroups['sessions'][number]>(url, queries.sessions, []),
    rowsOf<StoredGroups['counters'][number]>(url, queries.counters, []),
  ])
  return { messages, sent, copies, memberships, sessions, counters }
}

/** The whole timeline from its beginning. */
async function syncAll(device: Device, user_id: number) {
  const messages = []
  for (let cursor = 0, more = true; more; ) {
    const page = await device.ask('SYNC_REQ', { user_id, cursor, limit_count: 100 }, 'SYNC_RSP')
    messages.push(...messagesOf(page))
    cursor = page.next_cursor
    more = page.has_more
  }
  return messages
}

/** Everyone opens the app on another device: sessions, histories, and a sync from the beginning. */
export async function pullGroups(
  port: number,
  users: readonly { readonly user_id: number; readonly token: string }[],
): Promise<Pick<GroupEvidence, 'histories' | 'synced'>> {
  const histories: GroupEvidence['histories'][number][] = []
  const synced: GroupEvidence['synced'][number][] = []
  for (const { user_id, token } of users) {
    const device = await connectDevice(port)
    const client_type = CIM.Def.CIMClientType.kCIM_CLIENT_TYPE_PC_WINDOWS
    const { result_code } = await device.login(user_id, token, { client_type })
    if (result_code !== 0) throw new Error(`login answered with ${result_code}`)
    for (const { peer_id: group_id, unread, messages } of await pullAll(device, user_id))
      if (isGroupId(group_id))
        histories.push({
          user_id,
          group_id,
          unread,
          messages: messages.map(({ from_user_id: from, client_msg_id, server_msg_id: msg_id }) => ({
            group_id,
            msg_id,
            from,
            client_msg_id,
          })),
        })
    synced.push({ user_id, messages: await syncAll(device, user_id) })
    device.cut()
  }
  return { histories, synced }
}
