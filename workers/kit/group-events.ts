/** What follows from a change of a group: its NOTIFICATION to the members, and who came and went to their devices. */
import { CIM, coffeechat } from '../../proto/index.js'
import { conversationOf } from '../../schemas/ids.js'
import { commands } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import type { GroupNotification, GroupOutcome, StoredNotification } from '../ports/groups.js'
import type { PresentDevice } from '../ports/presence.js'
import { messageBody } from './deliveries.js'
import { notify } from './notify.js'
import { type EmitOf, emit } from './worker.js'

import event = coffeechat.event

const { kCIM_GROUP_MEMBER_CHANGED_TYPE_ADD, kCIM_GROUP_MEMBER_CHANGED_TYPE_DEL } =
  CIM.Group.CIMGroupMemberChangedType
const groupSession = CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_GROUP
/** The server wrote it: all devices of who did it get it too, the one that asked included. */
const serversDevice = { client_type: CIM.Def.CIMClientType.kCIM_CLIENT_TYPE_REST_API }

/** A change that was made, now or before. */
export type GroupChanged = Extract<GroupOutcome, { kind: 'changed' }>

const refOf = (stored: StoredNotification): event.IMessageRef => ({
  from_user_id: stored.from_user_id,
  to_session_id: stored.to_session_id,
  msg_id: stored.msg_id,
  session_type: groupSession,
  conversation: conversationOf(stored.from_user_id, stored.to_session_id),
  server_msg_id: stored.server_msg_id,
})

const contentOf = ({ msg_data }: StoredNotification): GroupNotification =>
  JSON.parse(Buffer.from(msg_data).toString())

/**
 * The NOTIFICATION on its way to the members; who left with it does not get it.
 * @param from_nick_name only with SEND_NICK_NAME
 */
export const fanOut = (
  origin: event.IOrigin,
  { notification }: GroupChanged,
  from_nick_name: string | undefined,
): EmitOf<typeof topics.fanoutRequested> =>
  emit(topics.fanoutRequested, {
    ref: refOf(notification),
    body: messageBody(groupSession, notification, from_nick_name),
    origin: { ...origin, device: serversDevice },
    stored_time: notification.stored_time,
    msg_type: notification.msg_type,
    ...(contentOf(notification).notification === 'group.member_left' ? { readers_only: true } : {}),
  })

/** The NOTIFICATION for businesses. */
export const report = ({ notification }: GroupChanged): EmitOf<typeof topics.messageStored> =>
  emit(topics.messageStored, {
    conversation: conversationOf(notification.from_user_id, notification.to_session_id),
    session_type: groupSession,
    from_user_id: String(notification.from_user_id),
    to_session_id: String(notification.to_session_id),
    msg_id: notification.msg_id,
    server_msg_id: String(notification.server_msg_id),
    msg_type: notification.msg_type,
    create_time: notification.stored_time,
    data: Buffer.from(notification.msg_data).toString('base64'),
  })

/** Who came or went with a change; undefined where nobody did. */
function membersChanged({
  notification,
  members,
}: GroupChanged): CIM.Group.ICIMGroupMemberChangedNotify | undefined {
  const { notification: kind, data } = contentOf(notification)
  const changed = (users: readonly number[], type: CIM.Group.CIMGroupMemberChangedType) => ({
    user_id: notification.from_user_id,
    group_id: notification.to_session_id,
    changed_list: users.map((user_id) => ({ user_id, type })),
  })
  switch (kind) {
    case 'group.created':
    case 'group.members_added':
      return changed(data.members.map(Number), kCIM_GROUP_MEMBER_CHANGED_TYPE_ADD)
    case 'group.member_left':
    case 'group.members_removed':
      return changed(data.members.map(Number), kCIM_GROUP_MEMBER_CHANGED_TYPE_DEL)
    case 'group.disbanded':
      return changed(members, kCIM_GROUP_MEMBER_CHANGED_TYPE_DEL)
    default:
      return undefined
  }
}

/** Whose devices are to hear of it: every member, the added and the removed included. */
export function usersToTell(outcome: GroupChanged): readonly number[] {
  const changed = membersChanged(outcome)?.changed_list
  return changed ? [...new Set([...outcome.members, ...changed.map(({ user_id }) => user_id)])] : []
}

/** GROUP_MEMBER_CHANGED_NOTIFY to those of these devices whose users are to hear of it. */
export function tellMembers(outcome: GroupChanged, devices: readonly PresentDevice[]) {
  const body = membersChanged(outcome)
  if (body === undefined) return []
  const users = new Set(usersToTell(outcome))
  const theirs = devices.filter(({ user_id }) => users.has(user_id))
  return notify(theirs, commands.GROUP_MEMBER_CHANGED_NOTIFY, body)
}
