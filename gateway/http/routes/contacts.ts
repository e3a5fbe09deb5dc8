/** Contacts: friends and blocklists, for app servers that own them (spec 4). */
import { z } from 'zod'
import { answeredContact, type ContactAnswer, remark } from '../../../schemas/contact-operations.js'
import { importLimit } from '../../../schemas/user-operations.js'
import { pageLimit, userId, userPath } from '../fields.js'
import { type Api, failures, type Rest } from '../rest.js'

const defaultContacts = 100
const pairPath = userPath.extend({ peer_id: userId })
const response = { 200: answeredContact, ...failures }
const about = (summary: string) => ({ tags: ['contacts'], summary })

/** Of one pair; what was never written down is nothing. */
const contactOf = ({ contacts: [contact] }: ContactAnswer, peer_id: number) =>
  contact ?? {
    user_id: String(peer_id),
    nick_name: '',
    state: 0,
    blocked: false,
    remark: '',
    version: 0,
    update_time: 0,
  }

function friendRoutes(api: Api, { calls }: Rest): void {
  const path = '/v1/users/:user_id/friends/:peer_id'
  api.put(
    path,
    {
      schema: {
        ...about('Make two users friends, without asking either'),
        params: pairPath,
        body: z.object({ remark: remark.optional().describe("the first one's, of the other") }),
        response,
      },
    },
    async (request) => {
      const { user_id, peer_id } = request.params
      const friends = [{ peer_id, ...request.body }]
      return contactOf(await calls.onContacts(request, 'befriend', { user_id, friends }), peer_id)
    },
  )

  api.delete(
    path,
    { schema: { ...about('End a friendship, for both'), params: pairPath, response } },
    async (request) => {
      const { peer_id } = request.params
      return contactOf(await calls.onContacts(request, 'delete', request.params), peer_id)
    },
  )
}

function listRoutes(api: Api, { calls }: Rest): void {
  const list = z.object({
    contacts: z.array(answeredContact),
    version: z.number().describe('to read on from, now or later'),
    has_more: z.boolean(),
  })
  api.get(
    '/v1/users/:user_id/friends',
    {
      schema: {
        ...about('What changed in the contacts of a user since a version: friends, requests, the blocklist'),
        params: userPath,
        querystring: z.object({
          version: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
          limit: pageLimit.default(defaultContacts),
        }),
        response: { 200: list, ...failures },
      },
    },
    async (request) => {
      const found = await calls.onContacts(request, 'list', { ...request.params, ...request.query })
      const { contacts, version = request.query.version, has_more = false } = found
      return { contacts, version, has_more }
    },
  )

  api.post(
    '/v1/users/:user_id/friends::import',
    {
      schema: {
        ...about(`Make a user friends with up to ${importLimit} others; all of them or none`),
        params: userPath,
        body: z.object({
          friends: z
            .array(z.object({ user_id: userId, remark: remark.optional() }))
            .min(1)
            .max(importLimit),
        }),
        response: { 200: z.object({ contacts: z.array(answeredContact) }), ...failures },
      },
    },
    async (request) => {
      const friends = request.body.friends.map(({ user_id: peer_id, ...rest }) => ({ peer_id, ...rest }))
      const { contacts } = await calls.onContacts(request, 'befriend', { ...request.params, friends })
      return { contacts }
    },
  )
}

function blockRoutes(api: Api, { calls }: Rest): void {
  const path = '/v1/users/:user_id/blocklist/:peer_id'
  const schema = (summary: string) => ({ schema: { ...about(summary), params: pairPath, response } })
  api.put(path, schema('Block: what the other writes to the user is refused'), async (request) => {
    const given = { ...request.params, blocked: true }
    return contactOf(await calls.onContacts(request, 'block', given), request.params.peer_id)
  })
  api.delete(path, schema('Unblock'), async (request) => {
    const given = { ...request.params, blocked: false }
    return contactOf(await calls.onContacts(request, 'block', given), request.params.peer_id)
  })
}

export function contactRoutes(api: Api, rest: Rest): void {
  friendRoutes(api, rest)
  listRoutes(api, rest)
  blockRoutes(api, rest)
}
