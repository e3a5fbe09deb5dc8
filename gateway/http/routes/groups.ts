/** Groups: make, change, disband; their members. For app servers, which act as the owner (spec 4). */
import { z } from 'zod'
import { fieldLimits } from '../../../schemas/fields.js'
import {
  answeredGroup,
  answeredMember,
  type GroupAnswer,
  groupChange,
  groupProfile,
  muteChange,
} from '../../../schemas/group-operations.js'
import { beforeVerb, groupId, pageLimit, userId } from '../fields.js'
import { type Api, failures, type Rest } from '../rest.js'

const defaultMembers = 100
const groupPath = z.object({ group_id: groupId })
const users = z.array(userId).max(fieldLimits.member_id_list.max)
const someMembers = z.object({ members: users.min(1) })
const about = (summary: string) => ({ tags: ['groups'], summary })
const groupOf = ({ group }: GroupAnswer) => answeredGroup.parse(group)

function groupItself(api: Api, { calls }: Rest): void {
  api.post(
    '/v1/groups',
    {
      schema: {
        ...about('Make a group; its owner is a member, whether listed or not'),
        body: groupProfile.extend({ owner_id: userId, members: users.default([]) }),
        response: { 201: answeredGroup, ...failures },
      },
    },
    async (request, reply) =>
      reply.code(201).send(groupOf(await calls.onGroup(request, 'create', request.body))),
  )

  api.get(
    '/v1/groups/:group_id',
    { schema: { ...about('A group'), params: groupPath, response: { 200: answeredGroup, ...failures } } },
    async (request) => groupOf(await calls.onGroup(request, 'get', request.params)),
  )

  api.patch(
    '/v1/groups/:group_id',
    {
      schema: {
        ...about('Change a group; a missing field stays'),
        params: groupPath,
        body: groupChange,
        response: { 200: answeredGroup, ...failures },
      },
    },
    async (request) =>
      groupOf(await calls.onGroup(request, 'update', { ...request.params, change: request.body })),
  )

  api.delete(
    '/v1/groups/:group_id',
    {
      schema: {
        ...about('Disband a group; its messages stay'),
        params: groupPath,
        response: { 200: answeredGroup, ...failures },
      },
    },
    async (request) => groupOf(await calls.onGroup(request, 'disband', request.params)),
  )
}

function memberRoutes(api: Api, { calls }: Rest): void {
  const path = '/v1/groups/:group_id/members'
  api.get(
    path,
    {
      schema: {
        ...about('The members, by their ids'),
        params: groupPath,
        querystring: z.object({ cursor: userId.optional(), limit: pageLimit.default(defaultMembers) }),
        response: {
          200: z.object({
            members: z.array(answeredMember),
            cursor: z.string().optional().describe('of the next page; absent on the last'),
          }),
          ...failures,
        },
      },
    },
    async (request) => {
      const { cursor: after = 0, limit } = request.query
      const page = await calls.onGroup(request, 'members', { ...request.params, after, limit })
      return { members: page.members ?? [], ...(page.cursor === undefined ? {} : { cursor: page.cursor }) }
    },
  )

  const changing = (summary: string) => ({
    schema: {
      ...about(summary),
      params: groupPath,
      body: someMembers,
      response: { 200: answeredGroup, ...failures },
    },
  })
  api.post(path, changing('Add members; who is one already stays'), async (request) =>
    groupOf(await calls.onGroup(request, 'invite', { ...request.params, ...request.body })),
  )
  api.delete(path, changing('Remove members'), async (request) =>
    groupOf(await calls.onGroup(request, 'kick', { ...request.params, ...request.body })),
  )
}

function powerRoutes(api: Api, { calls }: Rest): void {
  const group = `/v1/groups/${beforeVerb('group_id')}`
  const response = { 200: answeredGroup, ...failures }
  api.post(
    `${group}::transfer`,
    {
      schema: {
        ...about('Give a group to another of its members'),
        params: groupPath,
        body: z.object({ owner_id: userId }),
        response,
      },
    },
    async (request) =>
      groupOf(await calls.onGroup(request, 'transfer', { ...request.params, ...request.body })),
  )

  api.post(
    `${group}::mute`,
    {
      schema: {
        ...about('Mute all by mute_model, or some members until a time in ms; 0 lifts it'),
        params: groupPath,
        body: muteChange.extend({ members: users.default([]) }),
        response,
      },
    },
    async (request) => groupOf(await calls.onGroup(request, 'mute', { ...request.params, ...request.body })),
  )

  api.post(
    `${group}::set-role`,
    {
      schema: {
        ...about('Make members admins (1), or ordinary members again (0)'),
        params: groupPath,
        body: someMembers.extend({ role: z.literal([0, 1]) }),
        response,
      },
    },
    async (request) =>
      groupOf(await calls.onGroup(request, 'set-role', { ...request.params, ...request.body })),
  )
}

export function groupRoutes(api: Api, rest: Rest): void {
  groupItself(api, rest)
  memberRoutes(api, rest)
  powerRoutes(api, rest)
}
