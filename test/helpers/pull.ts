/** What a user sees who opens the app: every session, and each one's whole history. */
import { CIM } from '../../proto/index.js'
import { isGroupId } from '../../schemas/ids.js'
import type { Pulled, PulledMessage } from './checker.js'
import type { Device } from './device.js'

const { kCIM_SESSION_TYPE_GROUP, kCIM_SESSION_TYPE_SINGLE } = CIM.Def.CIMSessionType
const limit_count = 100

/** The conversation with one user or group from its beginning, page by page from its end. */
async function pullHistory(device: Device, user_id: number, session_id: number): Promise<PulledMessage[]> {
  const messages: PulledMessage[] = []
  const session_type = isGroupId(session_id) ? kCIM_SESSION_TYPE_GROUP : kCIM_SESSION_TYPE_SINGLE
  for (let end_msg_id = 0; ; ) {
    const asked = { user_id, session_type, session_id, end_msg_id, limit_count }
    const { msg_list } = await device.ask('MSG_LIST_REQ', asked, 'MSG_LIST_RSP')
    messages.unshift(
      ...msg_list.map(({ from_user_id, client_msg_id, server_msg_id }) => ({
        from_user_id,
        client_msg_id,
        server_msg_id,
      })),
    )
    if (msg_list.length < limit_count) return messages
    end_msg_id = messages[0]!.server_msg_id
  }
}

/** @param device of this user, logged in */
export async function pullAll(device: Device, user_id: number): Promise<Pulled[]> {
  const asked = { user_id, latest_update_time: 0 }
  const list = await device.ask('RECENT_CONTACT_SESSION_REQ', asked, 'RECENT_CONTACT_SESSION_RSP')
  const pulled: Pulled[] = []
  for (const { session_id: peer_id, unread_cnt: unread } of list.contact_session_list)
    pulled.push({ user_id, peer_id, unread, messages: await pullHistory(device, user_id, peer_id) })
  return pulled
}
