/** Offline push: where devices can be notified, what users want, and what became of each notification (spec 4). */
import { z } from 'zod'
import { fieldLimits } from '../../../schemas/fields.js'
import {
  answeredDeliveries,
  answeredNotification,
  answeredPushToken,
  clientType,
  pushSettings,
  pushToken,
  pushTokenFilter,
  text,
} from '../../../schemas/user-operations.js'
import { badRequest } from '../faults.js'
import { pageLimit, userId, userPath } from '../fields.js'
import { type Api, failures, type Rest } from '../rest.js'

const defaultPage = 100
const ofClients = { access: 'client' } as const
const about = (summary: string) => ({ tags: ['notifications'], summary })
const cursor = z.string().max(128).optional()
const nextCursor = z.string().optional().describe('of the next page; absent on the last')

function tokenRoutes(api: Api, { calls }: Rest): void {
  const url = '/v1/users/:user_id/push-tokens'

  api.put(
    url,
    {
      config: ofClients,
      schema: {
        ...about(
          "A device's token at a provider; several providers are tried in the order of their first PUT",
        ),
        params: userPath,
        body: pushToken,
        response: { 200: z.object({}), ...failures },
      },
    },
    async (request) => {
      const { user_id } = request.params
      await calls.onUser(request, user_id, 'set-push-token', { user_id, ...request.body })
      return {}
    },
  )

  api.get(
    url,
    {
      config: ofClients,
      schema: {
        ...about('Where the devices of a user can be notified, in the order in which it is tried'),
        params: userPath,
        response: { 200: z.object({ push_tokens: z.array(answeredPushToken) }), ...failures },
      },
    },
    async (request) => {
      const { user_id } = request.params
      const { push_tokens = [] } = await calls.onUser(request, user_id, 'push-tokens', { user_id })
      return { push_tokens }
    },
  )

  api.delete(
    url,
    {
      config: ofClients,
      schema: {
        ...about('Forget push tokens: of one device, of one provider, or all of a user'),
        params: userPath,
        querystring: pushTokenFilter.extend({ client_type: z.coerce.number().pipe(clientType).optional() }),
        response: { 200: z.object({}), ...failures },
      },
    },
    async (request) => {
      const { user_id } = request.params
      await calls.onUser(request, user_id, 'delete-push-tokens', { user_id, ...request.query })
      return {}
    },
  )
}

function settingsRoutes(api: Api, { calls }: Rest): void {
  const url = '/v1/users/:user_id/push-settings'

  api.get(
    url,
    {
      config: ofClients,
      schema: {
        ...about('What a user wants of notifications'),
        params: userPath,
        response: { 200: pushSettings, ...failures },
      },
    },
    async (request) => {
      const { user_id } = request.params
      const { push_settings } = await calls.onUser(request, user_id, 'push-settings', { user_id })
      return pushSettings.parse(push_settings ?? {})
    },
  )

  api.put(
    url,
    {
      config: ofClients,
      schema: {
        ...about('Quiet hours, previews, and whether mentions are shown all the same; replaces all of it'),
        params: userPath,
        body: pushSettings,
        response: { 200: pushSettings, ...failures },
      },
    },
    async (request) => {
      const { user_id } = request.params
      const settings = request.body
      await calls.onUser(request, user_id, 'set-push-settings', { user_id, settings })
      return settings
    },
  )
}

const encoded = (place: string): string => Buffer.from(place).toString('base64url')
const decoded = (given: string): string => Buffer.from(given, 'base64url').toString('latin1')

function readReader(given: string): number {
  const place = /^r(\d{1,15})$/.exec(decoded(given))
  if (place === null) throw badRequest('not a cursor of this list', 'cursor')
  return Number(place[1])
}

function readPlace(given: string) {
  const place = /^(\d{1,15})\.([0-9a-f-]{36})$/.exec(decoded(given))
  const found = z.uuid().safeParse(place?.[2])
  if (place === null || !found.success) throw badRequest('not a cursor of this list', 'cursor')
  return { created: Number(place[1]), notification_id: found.data }
}

/** The ledger: of one message by device, and of one user by time. */
function ledgerRoutes(api: Api, { calls }: Rest): void {
  api.get(
    '/v1/messages/:from_user_id/:msg_id/deliveries',
    {
      schema: {
        ...about("What became of a message on each device of its readers, and why; by rising reader's id"),
        params: z.object({
          from_user_id: userId,
          msg_id: text('characters', fieldLimits.msg_id.max, fieldLimits.msg_id.min),
        }),
        querystring: z.object({ cursor, limit: pageLimit.default(defaultPage).describe('readers') }),
        response: {
          200: answeredDeliveries.omit({ next: true }).extend({ cursor: nextCursor }),
          ...failures,
        },
      },
    },
    async (request) => {
      const { from_user_id: user_id, msg_id } = request.params
      const { cursor, limit } = request.query
      const after = cursor === undefined ? 0 : readReader(cursor)
      const { message } = await calls.onUser(request, user_id, 'deliveries', {
        user_id,
        msg_id,
        after,
        limit,
      })
      if (message === undefined) throw new Error('the answer holds no message')
      const { next, ...found } = message
      return { ...found, ...(next === undefined ? {} : { cursor: encoded(`r${next}`) }) }
    },
  )

  api.get(
    '/v1/users/:user_id/notifications',
    {
      schema: {
        ...about('Notifications of a user, newest first, with what their providers answered'),
        params: userPath,
        querystring: z.object({ cursor, limit: pageLimit.default(defaultPage) }),
        response: {
          200: z.object({ notifications: z.array(answeredNotification), cursor: nextCursor }),
          ...failures,
        },
      },
    },
    async (request) => {
      const { user_id } = request.params
      const { cursor, limit } = request.query
      const before = cursor === undefined ? {} : { before: readPlace(cursor) }
      const given = { user_id, limit, ...before }
      const { notifications = [] } = await calls.onUser(request, user_id, 'notifications', given)
      const last = notifications.at(-1)
      const hasMore = notifications.length === limit && last !== undefined
      return {
        notifications,
        ...(hasMore ? { cursor: encoded(`${last.created}.${last.notification_id}`) } : {}),
      }
    },
  )
}

export function notificationRoutes(api: Api, rest: Rest): void {
  tokenRoutes(api, rest)
  settingsRoutes(api, rest)
  ledgerRoutes(api, rest)
}
