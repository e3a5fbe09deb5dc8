/** Stored messages as pulls show them (spec 1, "Times and states"). */
import { CIM } from '../../proto/index.js'
import { isGroupId } from '../../schemas/ids.js'
import type { MessageCopy } from '../ports/queries.js'

const { CIMMessageFeature, CIMMessageStatus, CIMResCode, CIMSessionType } = CIM.Def

/** One's own message: SENT, RECEIPT once the peer has read it. Another's: UNREAD or READ. */
export function statusOf(user_id: number, copy: MessageCopy): CIM.Def.CIMMessageStatus {
  if (copy.from_user_id === user_id)
    return copy.read
      ? CIMMessageStatus.kCIM_MESSAGE_STATUS_RECEIPT
      : CIMMessageStatus.kCIM_MESSAGE_STATUS_SENT
  return copy.read ? CIMMessageStatus.kCIM_MESSAGE_STATUS_READ : CIMMessageStatus.kCIM_MESSAGE_STATUS_UNREAD
}

/** A message in history or by id, as `user_id` has it. */
export const messageInfo = (user_id: number, copy: MessageCopy): CIM.Def.ICIMMsgInfo => ({
  client_msg_id: copy.msg_id,
  server_msg_id: copy.server_msg_id,
  msg_res_code: CIMResCode.kCIM_RES_CODE_OK,
  msg_feature: CIMMessageFeature.kCIM_MESSAGE_FEATURE_ROAM_MSG,
  session_type: isGroupId(copy.to_session_id)
    ? CIMSessionType.kCIM_SESSION_TYPE_GROUP
    : CIMSessionType.kCIM_SESSION_TYPE_SINGLE,
  from_user_id: copy.from_user_id,
  to_session_id: copy.to_session_id,
  create_time: copy.stored_time,
  msg_type: copy.msg_type,
  msg_status: statusOf(user_id, copy),
  msg_data: copy.msg_data,
  ...(copy.attach ? { attach: copy.attach } : {}),
  sender_client_type: copy.client_type,
})
