/** Pushes to devices over HTTP: the same requests as on push.requested (spec 3 and 4). */
import { z } from 'zod'
import { pushRequest } from '../../../schemas/business-events.js'
import { fieldLimits } from '../../../schemas/fields.js'
import { topics } from '../../../schemas/topics.js'
import { text } from '../../../schemas/user-operations.js'
import { pageLimit, userId } from '../fields.js'
import { type Api, failures, type Rest } from '../rest.js'

const about = (summary: string) => ({ tags: ['pushes'], summary })
const accepted = z.object({ push_id: z.string() })
const defaultPage = 100

const statusSchema = z.object({
  push_id: z.string(),
  push_type: z.string(),
  offline: z.string(),
  create_time: z.number().describe('ms'),
  expire_time: z.number().describe('ms'),
  receivers: z
    .array(
      z.object({
        user_id: z.string(),
        state: z.enum(['open', 'stored', 'acked', 'dropped_offline', 'notified', 'expired', 'rejected']),
        reason: z.string().optional(),
        sent_time: z.number().optional().describe('ms, first written to a socket'),
        acked_time: z.number().optional().describe('ms, first acked'),
      }),
    )
    .describe('in the order of their ids'),
  cursor: z.string().optional().describe('for the next page'),
})

export function pushRoutes(api: Api, { calls }: Rest): void {
  api.post(
    '/v1/pushes',
    {
      schema: {
        ...about(
          'Push to users, a group, or everyone online; the same push_id again answers 200 and pushes nothing',
        ),
        body: pushRequest,
        response: { 200: accepted, 201: accepted, ...failures },
      },
    },
    async (request, reply) => {
      const { status, body } = await calls.askJson(request, 0, topics.pushRequested, (origin) => {
        const { gate_id, gate_epoch, connection_id } = origin
        return {
          kind: 'request' as const,
          request: request.body,
          answer_to: { gate_id, gate_epoch, connection_id },
        }
      })
      return reply.code(status === 200 ? 200 : 201).send(accepted.parse(body))
    },
  )

  api.get(
    '/v1/pushes/:push_id',
    {
      schema: {
        ...about('What became of a push with each receiver'),
        params: z.object({ push_id: text('characters', fieldLimits.push_id.max, fieldLimits.push_id.min) }),
        querystring: z.object({ cursor: userId.optional(), limit: pageLimit.default(defaultPage) }),
        response: { 200: statusSchema, ...failures },
      },
    },
    async (request) => {
      const { push_id } = request.params
      const { cursor: after = 0, limit } = request.query
      const { body } = await calls.askJson(request, 0, topics.requestPush, (origin) => ({
        origin,
        push_id,
        after,
        limit,
      }))
      return statusSchema.parse(body)
    },
  )
}
