/** Devices of a user: who is present, kick, and where a device can be notified. */
import { z } from 'zod'
import { answeredDevice, clientType, pushToken } from '../../../schemas/user-operations.js'
import { beforeVerb, userPath } from '../fields.js'
import { type Api, failures, type Rest } from '../rest.js'

const about = (summary: string) => ({ tags: ['devices'], summary })

export function deviceRoutes(api: Api, { calls }: Rest): void {
  api.get(
    '/v1/users/:user_id/devices',
    {
      schema: {
        ...about('The devices that are connected now'),
        params: userPath,
        response: { 200: z.object({ devices: z.array(answeredDevice) }), ...failures },
      },
    },
    async (request) => {
      const { user_id } = request.params
      const { devices = [] } = await calls.onUser(request, user_id, 'devices', { user_id })
      return { devices }
    },
  )

  api.post(
    `/v1/users/${beforeVerb('user_id')}::kick`,
    {
      schema: {
        ...about('Close the connections of a user, or of one client type'),
        params: userPath,
        body: z.object({ client_type: clientType.optional() }),
        response: { 200: z.object({}), ...failures },
      },
    },
    async (request) => {
      const { user_id } = request.params
      await calls.onUser(request, user_id, 'kick', { user_id, ...request.body })
      return {}
    },
  )

  api.put(
    '/v1/users/:user_id/push-tokens',
    {
      config: { access: 'client' },
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
}
