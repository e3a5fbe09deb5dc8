/** What a user sees, and marks as read or received (spec 4): the same as the packets. */
import { z } from 'zod'
import { CIM } from '../../../proto/index.js'
import { fieldLimits } from '../../../schemas/fields.js'
import { isGroupId } from '../../../schemas/ids.js'
import { commands } from '../../../schemas/packets.js'
import { topics } from '../../../schemas/topics.js'
import { text } from '../../../schemas/user-operations.js'
import { requireSelf } from '../access.js'
import { badRequest } from '../faults.js'
import { beforeVerb, pageLimit, peerId, serverMsgId, userId, userPath } from '../fields.js'
import { messageJson, messageSchema, sessionJson, sessionSchema } from '../render.js'
import { type Api, failures, type Rest } from '../rest.js'

const defaultSessions = 100
const ackedAtOnce = 100
const ofClients = { access: 'client' } as const

const sessionTypeOf = (session_id: number): CIM.Def.CIMSessionType =>
  isGroupId(session_id)
    ? CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_GROUP
    : CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_SINGLE

const about = (summary: string) => ({ tags: ['reading'], summary })

/** Where a page of sessions ended: its last row's time (s) and id, as the packet has them. */
const sessionCursor = ({ updated_time, session_id }: CIM.Def.ICIMContactSessionInfo): string =>
  Buffer.from(`${updated_time}.${session_id}`).toString('base64url')

function readSessionCursor(cursor: string) {
  const parts = /^(\d{1,10})\.(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))
  if (parts === null) throw badRequest('not a cursor of this list', 'cursor')
  return { before_update_time: Number(parts[1]), before_session_id: Number(parts[2]) }
}

/** The session list, newest first. */
function sessionRoutes(api: Api, { calls }: Rest): void {
  api.get(
    '/v1/users/:user_id/sessions',
    {
      config: ofClients,
      schema: {
        ...about('The session list, newest first'),
        params: userPath,
        querystring: z.object({
          cursor: z.string().max(64).optional(),
          limit: pageLimit.default(defaultSessions),
        }),
        response: {
          200: z.object({
            unread_total: z.number(),
            sessions: z.array(sessionSchema),
            cursor: z.string().optional().describe('of the next page; absent on the last'),
          }),
          ...failures,
        },
      },
    },
    async (request) => {
      const { user_id } = request.params
      const { cursor, limit } = request.query
      const sessions = {
        user_id,
        latest_update_time: 0,
        limit_count: limit,
        ...(cursor === undefined ? {} : readSessionCursor(cursor)),
      }
      const body = await calls.query(request, user_id, { sessions }, 'RECENT_CONTACT_SESSION_RSP')
      const page = commands.RECENT_CONTACT_SESSION_RSP.type.decode(body)
      const last = page.contact_session_list.at(-1)
      return {
        unread_total: page.unread_counts,
        sessions: page.contact_session_list.map(sessionJson),
        ...(page.has_more && last !== undefined ? { cursor: sessionCursor(last) } : {}),
      }
    },
  )
}

/** Messages of one conversation, in rising order, page by page towards its beginning. */
function historyRoutes(api: Api, { calls, context }: Rest): void {
  const pageSize = context.config.HISTORY_LIMIT_DEFAULT
  api.get(
    '/v1/users/:user_id/messages',
    {
      config: ofClients,
      schema: {
        ...about('Messages with one peer, or in one group, before a number, in rising order'),
        params: userPath,
        querystring: z.object({
          peer: peerId,
          before: serverMsgId.optional(),
          cursor: serverMsgId.optional().describe('the same as before'),
          limit: pageLimit.default(pageSize),
        }),
        response: {
          200: z.object({
            messages: z.array(messageSchema),
            cursor: z.string().optional().describe('of the page before this one; absent at the beginning'),
          }),
          ...failures,
        },
      },
    },
    async (request) => {
      const { user_id } = request.params
      const { peer, before, cursor, limit } = request.query
      const history = {
        user_id,
        session_type: sessionTypeOf(peer),
        session_id: peer,
        end_msg_id: before ?? cursor ?? 0,
        limit_count: limit,
      }
      const body = await calls.query(request, user_id, { history }, 'MSG_LIST_RSP')
      const { msg_list } = commands.MSG_LIST_RSP.type.decode(body)
      const [oldest] = msg_list
      const hasMore = msg_list.length === limit && oldest !== undefined && oldest.server_msg_id > 1
      return {
        messages: msg_list.map(messageJson),
        ...(hasMore ? { cursor: String(oldest.server_msg_id) } : {}),
      }
    },
  )
}

const messagePath = z.object({
  from_user_id: userId,
  msg_id: text('characters', fieldLimits.msg_id.max, fieldLimits.msg_id.min),
})

/** One message, as its sender has it. */
function messageRoute(api: Api, { calls }: Rest): void {
  api.get(
    '/v1/messages/:from_user_id/:msg_id',
    {
      config: ofClients,
      schema: {
        ...about('A message, by its sender and msg_id'),
        params: messagePath,
        response: { 200: messageSchema, ...failures },
      },
    },
    async (request) => {
      const { from_user_id: user_id, msg_id } = request.params
      requireSelf(request.caller, user_id)
      const body = await calls.query(request, user_id, { sent: { user_id, msg_id } }, 'GET_MSG_BY_ID_RSP')
      const [message] = commands.GET_MSG_BY_ID_RSP.type.decode(body).msg_list
      if (message === undefined) throw new Error('the answer holds no message')
      return messageJson(message)
    },
  )
}

const receiptsSchema = z.object({
  session_id: z.string(),
  session_type: z.number(),
  server_msg_id: z.string(),
  read: z.array(z.string()).describe('users who have read it'),
  received: z.array(z.string()).describe('users who have it on a device, and have not read it'),
  waiting: z.array(z.string()).describe('users who have not got it yet'),
})

/** Who has received and who has read a message: its sender may ask. */
function receiptRoutes(api: Api, { calls }: Rest): void {
  api.get(
    '/v1/messages/:from_user_id/:msg_id/receipts',
    {
      config: ofClients,
      schema: {
        ...about('Who has received and who has read a message'),
        params: messagePath,
        response: { 200: receiptsSchema, ...failures },
      },
    },
    async (request) => {
      const { from_user_id: user_id, msg_id } = request.params
      requireSelf(request.caller, user_id)
      const receipts = { user_id, msg_id }
      const body = await calls.query(request, user_id, { receipts }, 'GET_RECEIPTS_RSP')
      const found = commands.GET_RECEIPTS_RSP.type.decode(body)
      return {
        session_id: String(found.session_id),
        session_type: found.session_type,
        server_msg_id: String(found.server_msg_id),
        read: found.read_user_id.map(String),
        received: found.received_user_id.map(String),
        waiting: found.waiting_user_id.map(String),
      }
    },
  )
}

/** Read and received: told to the bus, as nothing answers such packets either. */
function markRoutes(api: Api, { calls }: Rest): void {
  api.post(
    `/v1/users/:user_id/sessions/${beforeVerb('peer')}::read`,
    {
      config: ofClients,
      schema: {
        ...about('Everything up to a message is read'),
        params: userPath.extend({ peer: peerId }),
        body: z.object({ server_msg_id: serverMsgId }),
        response: { 200: z.object({}), ...failures },
      },
    },
    async (request) => {
      const { user_id, peer: session_id } = request.params
      const { server_msg_id } = request.body
      await calls.tell(request, user_id, topics.requestRead, (origin) => [
        {
          origin,
          read: { user_id, session_id, msg_id: '', session_type: sessionTypeOf(session_id), server_msg_id },
          time: Date.now(),
        },
      ])
      return {}
    },
  )

  api.post(
    '/v1/users/:user_id/messages::ack',
    {
      config: ofClients,
      schema: {
        ...about('These messages were received'),
        params: userPath,
        body: z.object({
          messages: z
            .array(z.object({ from_user_id: userId, msg_id: text('characters', fieldLimits.msg_id.max, 1) }))
            .min(1)
            .max(ackedAtOnce),
        }),
        response: { 200: z.object({}), ...failures },
      },
    },
    async (request) => {
      const { user_id } = request.params
      const time = Date.now()
      await calls.tell(request, user_id, topics.deliveryAcked, (login) =>
        request.body.messages.map((acked) => ({ login, ...acked, to_session_id: user_id, time })),
      )
      return {}
    },
  )
}

export function readingRoutes(api: Api, rest: Rest): void {
  sessionRoutes(api, rest)
  historyRoutes(api, rest)
  messageRoute(api, rest)
  receiptRoutes(api, rest)
  markRoutes(api, rest)
}
