/** Sending a message as a user (spec 4): the same way as a client's, from the bus on. */
import { z } from 'zod'
import { CIM } from '../../../proto/index.js'
import { fieldLimits } from '../../../schemas/fields.js'
import { commands } from '../../../schemas/packets.js'
import { topics } from '../../../schemas/topics.js'
import { text } from '../../../schemas/user-operations.js'
import { requireSelf } from '../access.js'
import { badRequest, refusedSend } from '../faults.js'
import { groupId, userId } from '../fields.js'
import { type Api, failures, type Rest } from '../rest.js'

const { CIMMsgType, CIMResCode, CIMSessionType } = CIM.Def

/** NOTIFICATION and Robot come from the server only. */
const sendableTypes = [
  CIMMsgType.kCIM_MSG_TYPE_TEXT,
  CIMMsgType.kCIM_MSG_TYPE_IMAGE,
  CIMMsgType.kCIM_MSG_TYPE_Audio,
  CIMMsgType.kCIM_MSG_TYPE_VIDEO,
  CIMMsgType.kCIM_MSG_TYPE_LOCATION,
  CIMMsgType.kCIM_MSG_TYPE_FILE,
  CIMMsgType.kCIM_MSG_TYPE_TIPS,
  CIMMsgType.kCIM_MSG_TYPE_CUSTOM,
] as const

const messageBody = z.object({
  from_user_id: userId,
  to_user_id: userId.optional(),
  group_id: groupId.optional(),
  msg_id: text('characters', fieldLimits.msg_id.max, fieldLimits.msg_id.min),
  msg_type: z.literal([...sendableTypes]),
  text: z.string().optional(),
  data: z.base64().optional(),
})
const messageExample = {
  from_user_id: '1001',
  to_user_id: '1002',
  msg_id: 'my-first-message',
  msg_type: 1,
  text: 'hello',
}
type MessageBody = z.output<typeof messageBody>

const sentSchema = z.object({
  from_user_id: z.string(),
  to_user_id: z.string().optional(),
  group_id: z.string().optional(),
  msg_id: z.string(),
  server_msg_id: z.string(),
  create_time: z.number().describe('ms, when the server stored it'),
})

function receiverOf({ to_user_id, group_id }: MessageBody): number {
  if ((to_user_id === undefined) === (group_id === undefined))
    throw badRequest('exactly one of to_user_id and group_id is needed', 'to_user_id')
  return (group_id ?? to_user_id) as number
}

function contentOf(body: MessageBody, maxBytes: number): Buffer {
  if ((body.text === undefined) === (body.data === undefined))
    throw badRequest('exactly one of text and data is needed', 'text')
  const content =
    body.data === undefined ? Buffer.from(body.text ?? '', 'utf8') : Buffer.from(body.data, 'base64')
  if (content.length > maxBytes) throw refusedSend(CIMResCode.kCIM_RES_CODE_TOO_LARGE)
  return content
}

export function messageRoutes(api: Api, { context, calls }: Rest): void {
  api.post(
    '/v1/messages',
    {
      config: { access: 'client' },
      schema: {
        tags: ['messages'],
        summary:
          'Send a message as a user, to a user or a group; the same msg_id again answers 200 with the first',
        body: messageBody.meta({ examples: [messageExample] }),
        response: { 200: sentSchema, 201: sentSchema, ...failures },
      },
    },
    async (request, reply) => {
      const { from_user_id, msg_id, msg_type } = request.body
      requireSelf(request.caller, from_user_id)
      const to_session_id = receiverOf(request.body)
      const msg_data = contentOf(request.body, context.config.MAX_MESSAGE_BYTES)
      const now = Date.now()
      const packet = await calls.ask(request, from_user_id, topics.messageSubmitted, (origin) => ({
        origin,
        message: {
          from_user_id,
          to_session_id,
          msg_id,
          create_time: now,
          msg_type,
          msg_data,
          session_type:
            request.body.group_id === undefined
              ? CIMSessionType.kCIM_SESSION_TYPE_SINGLE
              : CIMSessionType.kCIM_SESSION_TYPE_GROUP,
        },
        received_time: now,
      }))
      const ack = commands.MSG_DATA_ACK.type.decode(packet.body)
      if (ack.res_code !== CIMResCode.kCIM_RES_CODE_OK) throw refusedSend(ack.res_code)
      return reply.code(packet.repeated ? 200 : 201).send({
        from_user_id: String(from_user_id),
        [request.body.group_id === undefined ? 'to_user_id' : 'group_id']: String(to_session_id),
        msg_id,
        server_msg_id: String(ack.server_msg_id),
        create_time: ack.create_time ?? 0,
      })
    },
  )
}
