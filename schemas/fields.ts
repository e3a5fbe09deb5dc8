/** How long or how many a field may be (spec 1-wire, "Limits of fields"). What is over its limit is a BAD_REQUEST. */

/** Characters are Unicode code points; items counts the elements of a repeated field. */
export interface FieldLimit {
  readonly unit: 'characters' | 'bytes' | 'items'
  readonly min: number
  readonly max: number
}

const characters = (max: number, min = 0): FieldLimit => ({ unit: 'characters', min, max })
const bytes = (max: number): FieldLimit => ({ unit: 'bytes', min: 0, max })
const items = (max: number): FieldLimit => ({ unit: 'items', min: 0, max })

/** The limits by field, for whoever takes such a field: packets, the HTTP API, the storage. msg_data has a setting. */
export const fieldLimits = {
  msg_id: characters(64, 1),
  nick_name: characters(32),
  user_token: bytes(256),
  client_version: bytes(64),
  device_id: bytes(64),
  attach: bytes(1_024),
  attach_info: bytes(1_024),
  extend_data: bytes(4_096),
  draft: bytes(4_096),
  group_name: characters(32),
  announcement: characters(1_024),
  group_intro: bytes(1_024),
  group_avatar: bytes(1_024),
  join_text: characters(256),
  mention_user_id: items(200),
  member_id_list: items(500),
  group_version_list: items(500),
  msg_id_list: items(20),
  remark: characters(32),
  greeting: characters(256),
  department_id: characters(64, 1),
  department_name: characters(64, 1),
  org_member_name: characters(64, 1),
  org_title: characters(64),
  org_query: characters(64),
  report_type: bytes(64),
  push_type: bytes(64),
  report_payload: bytes(32_768),
  push_id: characters(64, 1),
  push_payload: bytes(32_768),
} as const satisfies Record<string, FieldLimit>

/** The limits of one field: a repeated string has one for the list and one for each of its elements. */
type LimitsOfField = readonly FieldLimit[]

const limits = fieldLimits

/** The limits of the messages that clients send, by full message name and field. */
export const messageLimits: Readonly<Record<string, Readonly<Record<string, LimitsOfField>>>> = {
  'CIM.Login.CIMAuthTokenReq': {
    nick_name: [limits.nick_name],
    user_token: [limits.user_token],
    client_version: [limits.client_version],
    device_id: [limits.device_id],
  },
  'CIM.List.CIMSessionUpdateReq': { draft: [limits.draft], extend_data: [limits.extend_data] },
  'CIM.Message.IMMsgData': {
    msg_id: [limits.msg_id],
    from_nick_name: [limits.nick_name],
    mention_user_id: [limits.mention_user_id],
    attach: [limits.attach],
  },
  'CIM.Message.IMMsgDataAck': { msg_id: [limits.msg_id] },
  'CIM.Message.IMMsgDataReadAck': { msg_id: [limits.msg_id] },
  'CIM.Message.IMGetReceiptsReq': { msg_id: [limits.msg_id] },
  'CIM.Message.IMGetMsgByIdReq': { msg_id_list: [limits.msg_id_list, limits.msg_id] },
  'CIM.Message.CIMReportReq': {
    report_id: [limits.msg_id],
    report_type: [limits.report_type],
    payload: [limits.report_payload],
  },
  'CIM.Message.CIMPushDataAck': { push_id: [limits.push_id] },
  'CIM.Friend.CIMFriendApplyReq': { greeting: [limits.greeting] },
  'CIM.Friend.CIMFriendRemarkReq': { remark: [limits.remark] },
  'CIM.Org.CIMOrgSearchReq': { query: [limits.org_query], department_id: [limits.department_id] },
  'CIM.Group.CIMGroupCreateReq': {
    group_name: [limits.group_name],
    member_id_list: [limits.member_id_list],
  },
  'CIM.Group.CIMGroupInviteMemberReq': { member_id_list: [limits.member_id_list] },
  'CIM.Group.CIMGroupKickOutMemberReq': { member_id_list: [limits.member_id_list] },
  'CIM.Group.CIMGroupInfoReq': { group_version_list: [limits.group_version_list] },
  'CIM.Group.CIMGroupUpdateReq': {
    group_name: [limits.group_name],
    announcement: [limits.announcement],
    group_intro: [limits.group_intro],
    group_avatar: [limits.group_avatar],
  },
  'CIM.Group.CIMGroupApplyReq': { join_text: [limits.join_text] },
  'CIM.Group.CIMGroupAnswerApplyReq': { member_id_list: [limits.member_id_list] },
  'CIM.Group.CIMGroupSetRoleReq': { member_id_list: [limits.member_id_list] },
  'CIM.Group.CIMGroupMuteReq': { member_id_list: [limits.member_id_list] },
}
