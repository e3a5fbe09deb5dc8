/** Devices of a user: who is present, and kick. */
import { z } from 'zod'
import { answeredDevice, clientType } from '../../../schemas/user-operations.js'
import { badRequest } from '../faults.js'
import { beforeVerb, pageLimit, userPath } from '../fields.js'
import { type Api, failures, type Rest } from '../rest.js'

const defaultDevices = 100

/** The place of a device in the list: devices come by client type, then by device_id. */
const placeOf = ({ client_type, device_id = '' }: z.output<typeof answeredDevice>): string =>
  `${client_type}:${device_id}`
const cursorOf = (device: z.output<typeof answeredDevice>): string =>
  Buffer.from(placeOf(device)).toString('base64url')

function readCursor(cursor: string): string {
  const place = Buffer.from(cursor, 'base64url').toString()
  if (!/^\d:/.test(place)) throw badRequest('not a cursor of this list', 'cursor')
  return place
}

const about = (summary: string) => ({ tags: ['devices'], summary })

export function deviceRoutes(api: Api, { calls }: Rest): void {
  api.get(
    '/v1/users/:user_id/devices',
    {
      schema: {
        ...about('The devices that are connected now'),
        params: userPath,
        querystring: z.object({
          cursor: z.string().max(128).optional(),
          limit: pageLimit.default(defaultDevices),
        }),
        response: {
          200: z.object({
            devices: z.array(answeredDevice),
            cursor: z.string().optional().describe('of the next page; absent on the last'),
          }),
          ...failures,
        },
      },
    },
    async (request) => {
      const { user_id } = request.params
      const { cursor, limit } = request.query
      const after = cursor === undefined ? '' : readCursor(cursor)
      const { devices = [] } = await calls.onUser(request, user_id, 'devices', { user_id })
      const rest = devices
        .filter((each) => placeOf(each) > after)
        .sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))
      const page = rest.slice(0, limit)
      const last = page.at(-1)
      return { devices: page, ...(rest.length > limit && last ? { cursor: cursorOf(last) } : {}) }
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
}
