/** Bodies of the wire as JSON: the wire's field names, ids as decimal strings, bytes as base64. */
import { z } from 'zod'
import { CIM } from '../../proto/index.js'

const { CIMMsgType } = CIM.Def
const textTypes: readonly number[] = [CIMMsgType.kCIM_MSG_TYPE_TEXT, CIMMsgType.kCIM_MSG_TYPE_TIPS]
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export const messageSchema = z.object({
  from_user_id: z.string(),
  to_session_id: z.string(),
  session_type: z.number(),
  msg_id: z.string(),
  server_msg_id: z.string(),
  create_time: z.number().describe('ms, when the server stored it'),
  msg_type: z.number(),
  msg_status: z.number(),
  client_type: z.number(),
  data: z.string().describe('base64'),
  text: z.string().optional().describe('of text messages'),
  attach: z.string().optional(),
})

export const sessionSchema = z.object({
  session_id: z.string(),
  session_type: z.number(),
  session_status: z.number(),
  unread_cnt: z.number(),
  updated_time: z.number().describe('seconds'),
  is_robot_session: z.boolean(),
  is_pinned: z.boolean(),
  is_muted: z.boolean(),
  draft: z.string().optional(),
  extend_data: z.string().optional(),
  last_message: z
    .object({
      msg_id: z.string(),
      server_msg_id: z.string().optional(),
      msg_from_user_id: z.string(),
      msg_time_stamp: z.number().describe('ms'),
      msg_type: z.number(),
      msg_status: z.number(),
      data: z.string().describe('base64'),
      text: z.string().optional(),
      attach: z.string().optional(),
    })
    .nullable(),
})

/** The bytes, and the text of a text message where they are text. */
function content(msg_type: number, bytes: Uint8Array): { data: string; text?: string } {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  if (!textTypes.includes(msg_type)) return { data }
  try {
    return { data, text: strict.decode(bytes) }
  } catch {
    return { data }
  }
}

const attached = (attach: string | null | undefined) => (attach ? { attach } : {})

/** A message of history. */
export const messageJson = (info: CIM.Def.ICIMMsgInfo): z.output<typeof messageSchema> => ({
  from_user_id: String(info.from_user_id),
  to_session_id: String(info.to_session_id),
  session_type: info.session_type,
  msg_id: info.client_msg_id,
  server_msg_id: String(info.server_msg_id),
  create_time: info.create_time,
  msg_type: info.msg_type,
  msg_status: info.msg_status,
  client_type: info.sender_client_type,
  ...content(info.msg_type, info.msg_data),
  ...attached(info.attach),
})

/** A conversation in someone's list, with its last message where there is one. */
export const sessionJson = (info: CIM.Def.ICIMContactSessionInfo): z.output<typeof sessionSchema> => ({
  session_id: String(info.session_id),
  session_type: info.session_type,
  session_status: info.session_status,
  unread_cnt: info.unread_cnt,
  updated_time: info.updated_time,
  is_robot_session: info.is_robot_session ?? false,
  is_pinned: info.is_pinned ?? false,
  is_muted: info.is_muted ?? false,
  ...(info.draft ? { draft: info.draft } : {}),
  ...(info.extend_data ? { extend_data: info.extend_data } : {}),
  last_message:
    info.msg_id === ''
      ? null
      : {
          msg_id: info.msg_id,
          ...(info.server_msg_id ? { server_msg_id: String(info.server_msg_id) } : {}),
          msg_from_user_id: String(info.msg_from_user_id),
          msg_time_stamp: info.msg_time_stamp,
          msg_type: info.msg_type,
          msg_status: info.msg_status,
          ...content(info.msg_type, info.msg_data),
          ...attached(info.msg_attach),
        },
})
