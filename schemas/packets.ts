/** Command id ↔ message ↔ direction (spec 1-wire, "Commands"). The only place that knows the ids of commands. */

import type { messageFields } from '../proto/gen/descriptor.js'
import { CIM } from '../proto/index.js'

/** The full name of a message of the wire, such as `CIM.Message.IMMsgData`. */
export type MessageName = keyof typeof messageFields

/** c2s: from client to server; s2c: the reverse. */
export type Direction = 'c2s' | 's2c' | 'both'

/** The generated encoder and decoder of one message: what it reads and what it can write. */
interface MessageType<Read, Write> {
  encode(message: Write): { finish(): Uint8Array }
  decode(body: Uint8Array): Read
}

/** One command of the protocol and the message that its body holds. */
export interface Command<Read = unknown, Write = never> {
  readonly id: number
  readonly direction: Direction
  readonly message: MessageName
  readonly type: MessageType<Read, Write>
}

const command = <Read, Write>(
  id: number,
  direction: Direction,
  message: MessageName,
  type: MessageType<Read, Write>,
): Command<Read, Write> => ({ id, direction, message, type })

const { Group, List, Login, Message } = CIM

/** Every command that has a body, by the name that the spec gives it. */
export const commands = {
  AUTH_TOKEN_REQ: command(0x0101, 'c2s', 'CIM.Login.CIMAuthTokenReq', Login.CIMAuthTokenReq),
  AUTH_TOKEN_RSP: command(0x0102, 's2c', 'CIM.Login.CIMAuthTokenRsp', Login.CIMAuthTokenRsp),
  LOGOUT_REQ: command(0x0103, 'c2s', 'CIM.Login.CIMLogoutReq', Login.CIMLogoutReq),
  LOGOUT_RSP: command(0x0104, 's2c', 'CIM.Login.CIMLogoutRsp', Login.CIMLogoutRsp),
  HEARTBEAT: command(0x0105, 'both', 'CIM.Login.CIMHeartBeat', Login.CIMHeartBeat),
  KICK_NOTIFY: command(0x0106, 's2c', 'CIM.Login.CIMKickNotify', Login.CIMKickNotify),
  ERROR_NOTIFY: command(0x0109, 's2c', 'CIM.Login.CIMErrorNotify', Login.CIMErrorNotify),
  RECONNECT_NOTIFY: command(0x010a, 's2c', 'CIM.Login.CIMReconnectNotify', Login.CIMReconnectNotify),

  RECENT_CONTACT_SESSION_REQ: command(
    0x0201,
    'c2s',
    'CIM.List.CIMRecentContactSessionReq',
    List.CIMRecentContactSessionReq,
  ),
  RECENT_CONTACT_SESSION_RSP: command(
    0x0202,
    's2c',
    'CIM.List.CIMRecentContactSessionRsp',
    List.CIMRecentContactSessionRsp,
  ),
  MSG_LIST_REQ: command(0x0205, 'c2s', 'CIM.List.CIMGetMsgListReq', List.CIMGetMsgListReq),
  MSG_LIST_RSP: command(0x0206, 's2c', 'CIM.List.CIMGetMsgListRsp', List.CIMGetMsgListRsp),
  SYNC_REQ: command(0x0210, 'c2s', 'CIM.List.CIMSyncReq', List.CIMSyncReq),
  SYNC_RSP: command(0x0211, 's2c', 'CIM.List.CIMSyncRsp', List.CIMSyncRsp),

  MSG_DATA: command(0x0301, 'both', 'CIM.Message.IMMsgData', Message.IMMsgData),
  MSG_DATA_ACK: command(0x0302, 'both', 'CIM.Message.IMMsgDataAck', Message.IMMsgDataAck),
  MSG_READ_ACK: command(0x0303, 'c2s', 'CIM.Message.IMMsgDataReadAck', Message.IMMsgDataReadAck),
  MSG_READ_NOTIFY: command(0x0304, 's2c', 'CIM.Message.IMMsgDataReadNotify', Message.IMMsgDataReadNotify),
  GET_LATEST_MSG_ID_REQ: command(
    0x0305,
    'c2s',
    'CIM.Message.IMGetLatestMsgIdReq',
    Message.IMGetLatestMsgIdReq,
  ),
  GET_LATEST_MSG_ID_RSP: command(
    0x0306,
    's2c',
    'CIM.Message.IMGetLatestMsgIdRsp',
    Message.IMGetLatestMsgIdRsp,
  ),
  GET_MSG_BY_ID_REQ: command(0x0307, 'c2s', 'CIM.Message.IMGetMsgByIdReq', Message.IMGetMsgByIdReq),
  GET_MSG_BY_ID_RSP: command(0x0308, 's2c', 'CIM.Message.IMGetMsgByIdRsp', Message.IMGetMsgByIdRsp),

  GROUP_CREATE_REQ: command(0x0501, 'c2s', 'CIM.Group.CIMGroupCreateReq', Group.CIMGroupCreateReq),
  GROUP_CREATE_RSP: command(0x0502, 's2c', 'CIM.Group.CIMGroupCreateRsp', Group.CIMGroupCreateRsp),
  GROUP_DISBAND_REQ: command(0x0503, 'c2s', 'CIM.Group.CIMGroupDisbandingReq', Group.CIMGroupDisbandingReq),
  GROUP_DISBAND_RSP: command(0x0504, 's2c', 'CIM.Group.CIMGroupDisbandingRsp', Group.CIMGroupDisbandingRsp),
  GROUP_EXIT_REQ: command(0x0505, 'c2s', 'CIM.Group.CIMGroupExitReq', Group.CIMGroupExitReq),
  GROUP_EXIT_RSP: command(0x0506, 's2c', 'CIM.Group.CIMGroupExitRsp', Group.CIMGroupExitRsp),
  GROUP_LIST_REQ: command(0x0507, 'c2s', 'CIM.Group.CIMGroupListReq', Group.CIMGroupListReq),
  GROUP_LIST_RSP: command(0x0508, 's2c', 'CIM.Group.CIMGroupListRsp', Group.CIMGroupListRsp),
  GROUP_INFO_REQ: command(0x0509, 'c2s', 'CIM.Group.CIMGroupInfoReq', Group.CIMGroupInfoReq),
  GROUP_INFO_RSP: command(0x0510, 's2c', 'CIM.Group.CIMGroupInfoRsp', Group.CIMGroupInfoRsp),
  GROUP_INVITE_MEMBER_REQ: command(
    0x0511,
    'c2s',
    'CIM.Group.CIMGroupInviteMemberReq',
    Group.CIMGroupInviteMemberReq,
  ),
  GROUP_INVITE_MEMBER_RSP: command(
    0x0512,
    's2c',
    'CIM.Group.CIMGroupInviteMemberRsp',
    Group.CIMGroupInviteMemberRsp,
  ),
  GROUP_KICK_OUT_MEMBER_REQ: command(
    0x0513,
    'c2s',
    'CIM.Group.CIMGroupKickOutMemberReq',
    Group.CIMGroupKickOutMemberReq,
  ),
  GROUP_KICK_OUT_MEMBER_RSP: command(
    0x0514,
    's2c',
    'CIM.Group.CIMGroupKickOutMemberRsp',
    Group.CIMGroupKickOutMemberRsp,
  ),
  GROUP_MEMBER_CHANGED_NOTIFY: command(
    0x0515,
    's2c',
    'CIM.Group.CIMGroupMemberChangedNotify',
    Group.CIMGroupMemberChangedNotify,
  ),
  GROUP_MEMBER_LIST_REQ: command(
    0x0516,
    'c2s',
    'CIM.Group.CIMGroupMemberListReq',
    Group.CIMGroupMemberListReq,
  ),
  GROUP_MEMBER_LIST_RSP: command(
    0x0517,
    's2c',
    'CIM.Group.CIMGroupMemberListRsp',
    Group.CIMGroupMemberListRsp,
  ),

  USER_LIST_REQ: command(0x0601, 'c2s', 'CIM.List.CIMUserListReq', List.CIMUserListReq),
  USER_LIST_RSP: command(0x0602, 's2c', 'CIM.List.CIMUserListRsp', List.CIMUserListRsp),

  REPORT_REQ: command(0x0801, 'c2s', 'CIM.Message.CIMReportReq', Message.CIMReportReq),
  REPORT_RSP: command(0x0802, 's2c', 'CIM.Message.CIMReportRsp', Message.CIMReportRsp),
  PUSH_DATA: command(0x0803, 's2c', 'CIM.Message.CIMPushData', Message.CIMPushData),
  PUSH_DATA_ACK: command(0x0804, 'c2s', 'CIM.Message.CIMPushDataAck', Message.CIMPushDataAck),
} as const

export type CommandName = keyof typeof commands

/** The decoded body of a command. */
export type BodyOf<Name extends CommandName> =
  (typeof commands)[Name] extends Command<infer Read, infer _Write> ? Read : never

/** What can be written as the body of a command: a plain object. */
export type WritableBodyOf<Name extends CommandName> =
  (typeof commands)[Name] extends Command<infer _Read, infer Write> ? Write : never

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
