/** Command id ↔ message ↔ direction (spec 1-wire, "Commands"). The only place that knows the ids of commands. */

import type { messageFields } from '../proto/gen/descriptor.js'
import { CIM } from '../proto/index.js'

/** The full name of a message of the wire, such as `CIM.Message.IMMsgData`. */
export type MessageName = keyof typeof messageFields

/** c2s: from client to server; s2c: the reverse. */
export type Direction = 'c2s' | 's2c' | 'both'

/** The generated class of a message. */
type ClassOf<Name> = Name extends `CIM.${infer File extends keyof typeof CIM}.${infer Message}`
  ? (typeof CIM)[File][Message & keyof (typeof CIM)[File]]
  : never

/** The encoder and decoder of one message: what it reads, and what plain objects it writes. */
interface MessageType<Read, Write> {
  encode(message: Write): { finish(): Uint8Array }
  decode(body: Uint8Array): Read
}

/** One command of the protocol and the message that its body holds. */
export interface Command<Type = MessageType<unknown, never>> {
  readonly id: number
  readonly direction: Direction
  readonly message: MessageName
  readonly type: Type
}

const command = <Name extends MessageName>(
  id: number,
  direction: Direction,
  message: Name,
): Command<ClassOf<Name>> => {
  const [, file, name] = message.split('.') as ['CIM', keyof typeof CIM, string]
  const classes: object = CIM[file]
  return { id, direction, message, type: classes[name as keyof typeof classes] }
}

/** Every command that has a body, by the name that the spec gives it. */
export const commands = {
  AUTH_TOKEN_REQ: command(0x0101, 'c2s', 'CIM.Login.CIMAuthTokenReq'),
  AUTH_TOKEN_RSP: command(0x0102, 's2c', 'CIM.Login.CIMAuthTokenRsp'),
  LOGOUT_REQ: command(0x0103, 'c2s', 'CIM.Login.CIMLogoutReq'),
  LOGOUT_RSP: command(0x0104, 's2c', 'CIM.Login.CIMLogoutRsp'),
  HEARTBEAT: command(0x0105, 'both', 'CIM.Login.CIMHeartBeat'),
  KICK_NOTIFY: command(0x0106, 's2c', 'CIM.Login.CIMKickNotify'),
  ERROR_NOTIFY: command(0x0109, 's2c', 'CIM.Login.CIMErrorNotify'),
  RECONNECT_NOTIFY: command(0x010a, 's2c', 'CIM.Login.CIMReconnectNotify'),

  RECENT_CONTACT_SESSION_REQ: command(0x0201, 'c2s', 'CIM.List.CIMRecentContactSessionReq'),
  RECENT_CONTACT_SESSION_RSP: command(0x0202, 's2c', 'CIM.List.CIMRecentContactSessionRsp'),
  MSG_LIST_REQ: command(0x0205, 'c2s', 'CIM.List.CIMGetMsgListReq'),
  MSG_LIST_RSP: command(0x0206, 's2c', 'CIM.List.CIMGetMsgListRsp'),
  SYNC_REQ: command(0x0210, 'c2s', 'CIM.List.CIMSyncReq'),
  SYNC_RSP: command(0x0211, 's2c', 'CIM.List.CIMSyncRsp'),
  SESSION_UPDATE_REQ: command(0x0212, 'c2s', 'CIM.List.CIMSessionUpdateReq'),
  SESSION_UPDATE_RSP: command(0x0213, 's2c', 'CIM.List.CIMSessionUpdateRsp'),
  SESSION_UPDATE_NOTIFY: command(0x0214, 's2c', 'CIM.List.CIMSessionUpdateNotify'),

  MSG_DATA: command(0x0301, 'both', 'CIM.Message.IMMsgData'),
  MSG_DATA_ACK: command(0x0302, 'both', 'CIM.Message.IMMsgDataAck'),
  MSG_READ_ACK: command(0x0303, 'c2s', 'CIM.Message.IMMsgDataReadAck'),
  MSG_READ_NOTIFY: command(0x0304, 's2c', 'CIM.Message.IMMsgDataReadNotify'),
  GET_LATEST_MSG_ID_REQ: command(0x0305, 'c2s', 'CIM.Message.IMGetLatestMsgIdReq'),
  GET_LATEST_MSG_ID_RSP: command(0x0306, 's2c', 'CIM.Message.IMGetLatestMsgIdRsp'),
  GET_MSG_BY_ID_REQ: command(0x0307, 'c2s', 'CIM.Message.IMGetMsgByIdReq'),
  GET_MSG_BY_ID_RSP: command(0x0308, 's2c', 'CIM.Message.IMGetMsgByIdRsp'),
  GET_RECEIPTS_REQ: command(0x0330, 'c2s', 'CIM.Message.IMGetReceiptsReq'),
  GET_RECEIPTS_RSP: command(0x0331, 's2c', 'CIM.Message.IMGetReceiptsRsp'),

  GROUP_CREATE_REQ: command(0x0501, 'c2s', 'CIM.Group.CIMGroupCreateReq'),
  GROUP_CREATE_RSP: command(0x0502, 's2c', 'CIM.Group.CIMGroupCreateRsp'),
  GROUP_DISBAND_REQ: command(0x0503, 'c2s', 'CIM.Group.CIMGroupDisbandingReq'),
  GROUP_DISBAND_RSP: command(0x0504, 's2c', 'CIM.Group.CIMGroupDisbandingRsp'),
  GROUP_EXIT_REQ: command(0x0505, 'c2s', 'CIM.Group.CIMGroupExitReq'),
  GROUP_EXIT_RSP: command(0x0506, 's2c', 'CIM.Group.CIMGroupExitRsp'),
  GROUP_LIST_REQ: command(0x0507, 'c2s', 'CIM.Group.CIMGroupListReq'),
  GROUP_LIST_RSP: command(0x0508, 's2c', 'CIM.Group.CIMGroupListRsp'),
  GROUP_INFO_REQ: command(0x0509, 'c2s', 'CIM.Group.CIMGroupInfoReq'),
  GROUP_INFO_RSP: command(0x0510, 's2c', 'CIM.Group.CIMGroupInfoRsp'),
  GROUP_INVITE_MEMBER_REQ: command(0x0511, 'c2s', 'CIM.Group.CIMGroupInviteMemberReq'),
  GROUP_INVITE_MEMBER_RSP: command(0x0512, 's2c', 'CIM.Group.CIMGroupInviteMemberRsp'),
  GROUP_KICK_OUT_MEMBER_REQ: command(0x0513, 'c2s', 'CIM.Group.CIMGroupKickOutMemberReq'),
  GROUP_KICK_OUT_MEMBER_RSP: command(0x0514, 's2c', 'CIM.Group.CIMGroupKickOutMemberRsp'),
  GROUP_MEMBER_CHANGED_NOTIFY: command(0x0515, 's2c', 'CIM.Group.CIMGroupMemberChangedNotify'),
  GROUP_MEMBER_LIST_REQ: command(0x0516, 'c2s', 'CIM.Group.CIMGroupMemberListReq'),
  GROUP_MEMBER_LIST_RSP: command(0x0517, 's2c', 'CIM.Group.CIMGroupMemberListRsp'),
  GROUP_UPDATE_REQ: command(0x0520, 'c2s', 'CIM.Group.CIMGroupUpdateReq'),
  GROUP_UPDATE_RSP: command(0x0521, 's2c', 'CIM.Group.CIMGroupUpdateRsp'),
  GROUP_SET_ROLE_REQ: command(0x0522, 'c2s', 'CIM.Group.CIMGroupSetRoleReq'),
  GROUP_SET_ROLE_RSP: command(0x0523, 's2c', 'CIM.Group.CIMGroupSetRoleRsp'),
  GROUP_MUTE_REQ: command(0x0524, 'c2s', 'CIM.Group.CIMGroupMuteReq'),
  GROUP_MUTE_RSP: command(0x0525, 's2c', 'CIM.Group.CIMGroupMuteRsp'),
  GROUP_TRANSFER_REQ: command(0x0526, 'c2s', 'CIM.Group.CIMGroupTransferReq'),
  GROUP_TRANSFER_RSP: command(0x0527, 's2c', 'CIM.Group.CIMGroupTransferRsp'),

  GROUP_APPLY_REQ: command(0x0528, 'c2s', 'CIM.Group.CIMGroupApplyReq'),
  GROUP_APPLY_RSP: command(0x0529, 's2c', 'CIM.Group.CIMGroupApplyRsp'),
  GROUP_ANSWER_APPLY_REQ: command(0x052a, 'c2s', 'CIM.Group.CIMGroupAnswerApplyReq'),
  GROUP_ANSWER_APPLY_RSP: command(0x052b, 's2c', 'CIM.Group.CIMGroupAnswerApplyRsp'),
  GROUP_ANSWER_INVITE_REQ: command(0x052c, 'c2s', 'CIM.Group.CIMGroupAnswerInviteReq'),
  GROUP_ANSWER_INVITE_RSP: command(0x052d, 's2c', 'CIM.Group.CIMGroupAnswerInviteRsp'),
  GROUP_JOIN_LIST_REQ: command(0x052e, 'c2s', 'CIM.Group.CIMGroupJoinListReq'),
  GROUP_JOIN_LIST_RSP: command(0x052f, 's2c', 'CIM.Group.CIMGroupJoinListRsp'),
  GROUP_JOIN_NOTIFY: command(0x0530, 's2c', 'CIM.Group.CIMGroupJoinNotify'),

  USER_LIST_REQ: command(0x0601, 'c2s', 'CIM.List.CIMUserListReq'),
  USER_LIST_RSP: command(0x0602, 's2c', 'CIM.List.CIMUserListRsp'),
  FRIEND_APPLY_REQ: command(0x0603, 'c2s', 'CIM.Friend.CIMFriendApplyReq'),
  FRIEND_APPLY_RSP: command(0x0604, 's2c', 'CIM.Friend.CIMContactChangeRsp'),
  FRIEND_ANSWER_REQ: command(0x0605, 'c2s', 'CIM.Friend.CIMFriendAnswerReq'),
  FRIEND_ANSWER_RSP: command(0x0606, 's2c', 'CIM.Friend.CIMContactChangeRsp'),
  FRIEND_REMARK_REQ: command(0x0607, 'c2s', 'CIM.Friend.CIMFriendRemarkReq'),
  FRIEND_REMARK_RSP: command(0x0608, 's2c', 'CIM.Friend.CIMContactChangeRsp'),
  FRIEND_DELETE_REQ: command(0x0609, 'c2s', 'CIM.Friend.CIMFriendDeleteReq'),
  FRIEND_DELETE_RSP: command(0x0610, 's2c', 'CIM.Friend.CIMContactChangeRsp'),
  CONTACT_LIST_REQ: command(0x0611, 'c2s', 'CIM.Friend.CIMContactListReq'),
  CONTACT_LIST_RSP: command(0x0612, 's2c', 'CIM.Friend.CIMContactListRsp'),
  BLOCK_REQ: command(0x0613, 'c2s', 'CIM.Friend.CIMBlockReq'),
  BLOCK_RSP: command(0x0614, 's2c', 'CIM.Friend.CIMContactChangeRsp'),
  CONTACT_CHANGED_NOTIFY: command(0x0615, 's2c', 'CIM.Friend.CIMContactChangedNotify'),
  ORG_LIST_REQ: command(0x0620, 'c2s', 'CIM.Org.CIMOrgListReq'),
  ORG_LIST_RSP: command(0x0621, 's2c', 'CIM.Org.CIMOrgListRsp'),
  ORG_SEARCH_REQ: command(0x0622, 'c2s', 'CIM.Org.CIMOrgSearchReq'),
  ORG_SEARCH_RSP: command(0x0623, 's2c', 'CIM.Org.CIMOrgSearchRsp'),

  REPORT_REQ: command(0x0801, 'c2s', 'CIM.Message.CIMReportReq'),
  REPORT_RSP: command(0x0802, 's2c', 'CIM.Message.CIMReportRsp'),
  PUSH_DATA: command(0x0803, 's2c', 'CIM.Message.CIMPushData'),
  PUSH_DATA_ACK: command(0x0804, 'c2s', 'CIM.Message.CIMPushDataAck'),
} as const

export type CommandName = keyof typeof commands

/** The decoded body of a command. Optional fields that were not sent are null. */
export type BodyOf<Name extends CommandName> =
  (typeof commands)[Name]['type'] extends MessageType<infer Read, never> ? Read : never

/** What can be written as the body of a command: a plain object. */
export type WritableBodyOf<Name extends CommandName> = Parameters<
  (typeof commands)[Name]['type']['encode']
>[0]

const namesById = new Map(
  Object.entries(commands).map(([name, { id }]) => [id, name as CommandName] as const),
)

/** The name of a command id, `undefined` for an id that is not in the protocol. */
export const commandName = (id: number): CommandName | undefined => namesById.get(id)

/** The name of a command that a client may send; `undefined` is an UNKNOWN_COMMAND. */
export const clientCommandName = (id: number): CommandName | undefined => {
  const name = namesById.get(id)
  return name !== undefined && commands[name].direction !== 's2c' ? name : undefined
}

/** The label of a metric for each command; the same object every time. */
export const commandLabels = Object.fromEntries(
  Object.keys(commands).map((command) => [command, { command }]),
) as Readonly<Record<CommandName, { readonly command: string }>>

const answers: Partial<Record<CommandName, CommandName>> = {
  HEARTBEAT: 'HEARTBEAT',
  MSG_DATA: 'MSG_DATA_ACK',
  PUSH_DATA: 'PUSH_DATA_ACK',
}

/** The command that answers this one with the same seq_num; `undefined` where nothing does. */
export const answerOf = (name: CommandName): CommandName | undefined => {
  if (!name.endsWith('_REQ')) return answers[name]
  return `${name.slice(0, -'_REQ'.length)}_RSP` as CommandName
}
