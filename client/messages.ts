/** One shape for a message, however it came: delivered, pulled, or sent from here. */
import {
  type CIMMsgInfo,
  type IMMsgData,
  MessageFeature,
  type MessageStatus,
  MsgType,
  SessionType,
} from './gen/protocol.js'

/** A stored message. Ids are numbers below 2^53, times in ms. */
export interface ChatMessage {
  /** The conversation as this user lists it: the peer, or the group. */
  readonly session_id: number
  readonly session_type: SessionType
  /** Counts 1, 2, 3 … within its conversation. */
  readonly server_msg_id: number
  readonly msg_id: string
  readonly from_user_id: number
  readonly to_session_id: number
  /** When the server stored it. */
  readonly create_time: number
  readonly msg_type: MsgType
  readonly msg_data: Uint8Array
  readonly attach?: string | undefined
  readonly mention_user_id: readonly number[]
  readonly msg_feature: MessageFeature
  /** What the server said of it when it was pulled; of one's own RECEIPT once it was read. */
  readonly msg_status?: MessageStatus | undefined
}

/** From here up an id is a group's. */
const firstGroupId = 2 ** 48

/** Groups and users never share an id. */
export const sessionTypeOf = (id: number): SessionType =>
  id < firstGroupId ? SessionType.SINGLE : SessionType.GROUP

/** The session of a message in the list of the user `me`. */
const sessionOf = (me: number, from: number, to: number): number =>
  to >= firstGroupId || from === me ? to : from

/** A message that was delivered. undefined where it has no number, as what is never stored. */
export function delivered(me: number, message: IMMsgData): ChatMessage | undefined {
  const { from_user_id, to_session_id, server_msg_id, msg_id, create_time, msg_type, msg_data } = message
  if (server_msg_id === undefined) return undefined
  const session_id = sessionOf(me, from_user_id, to_session_id)
  return {
    session_id,
    session_type: sessionTypeOf(session_id),
    ...{ server_msg_id, msg_id, from_user_id, to_session_id, create_time, msg_type, msg_data },
    attach: message.attach,
    mention_user_id: message.mention_user_id,
    msg_feature: message.msg_feature ?? MessageFeature.DEFAULT,
  }
}

/** A message of history or sync. */
export function pulled(me: number, message: CIMMsgInfo): ChatMessage {
  const { from_user_id, to_session_id, server_msg_id, create_time, msg_type, msg_data } = message
  const session_id = sessionOf(me, from_user_id, to_session_id)
  return {
    session_id,
    session_type: sessionTypeOf(session_id),
    ...{ server_msg_id, msg_id: message.client_msg_id, from_user_id, to_session_id, create_time },
    ...{ msg_type, msg_data, attach: message.attach, mention_user_id: [] },
    msg_feature: message.msg_feature,
    msg_status: message.msg_status,
  }
}

const decoder = new TextDecoder()

/** The text of a message whose type holds text; undefined for pictures and the like. */
export function textOf({
  msg_type,
  msg_data,
}: Pick<ChatMessage, 'msg_type' | 'msg_data'>): string | undefined {
  return msg_type === MsgType.TEXT || msg_type === MsgType.TIPS ? decoder.decode(msg_data) : undefined
}
