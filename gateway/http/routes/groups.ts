/** Groups: make, change, disband; their members. For app servers, which act as the owner (spec 4). */
import { z } from 'zod'
import { fieldLimits } from '../../../schemas/fields.js'
import {
  answeredGroup,
  answeredJoin,
  answeredMember,
  type GroupAnswer,
  groupChange,
  groupProfile,
  joinText,
  muteChange,
} from '../../../schemas/group-operations.js'
import { beforeVerb, groupId, pageLimit, userId, userPath } from '../fields.js'
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

/** A page of applications and invitations. */
const joinsPage = z.object({
  joins: z.array(answeredJoin),
  cursor: z.string().optional().describe('of the next page; absent on the last'),
})
const pageOf = ({ joins = [], cursor }: GroupAnswer) => ({
  joins,
  ...(cursor === undefined ? {} : { cursor }),
})

/** Who may become a member: an app server asks and answers for its users. */
function joinRoutes(api: Api, { calls }: Rest): void {
  const path = '/v1/groups/:group_id/joins'
  api.get(
    path,
    {
      schema: {
        ...about('Applications and invitations that wait for an answer, by the ids of who is to join'),
        params: groupPath,
        querystring: z.object({ cursor: userId.optional(), limit: pageLimit.default(defaultMembers) }),
        response: { 200: joinsPage, ...failures },
      },
    },
    async (request) => {
      const { cursor: after = 0, limit } = request.query
      return pageOf(await calls.onGroup(request, 'joins', { ...request.params, after, limit }))
    },
  )

  api.post(
    path,
    {
      schema: {
        ...about('Apply for a user; who is invited is a member at once'),
        params: groupPath,
        body: z.object({ user_id: userId, join_text: joinText }),
        response: {
          201: z.object({ joined: z.boolean().describe('false: the owner or an admin has to approve') }),
          ...failures,
        },
      },
    },
    async (request, reply) => {
      const { joined = false } = await calls.onGroup(request, 'apply', { ...request.params, ...request.body })
      return reply.code(201).send({ joined })
    },
  )

  api.post(
    `${path}::answer`,
    {
      schema: {
        ...about('Approve of applications or refuse them; a refusal withdraws invitations too'),
        params: groupPath,
        body: someMembers.extend({ agree: z.boolean() }),
        response: { 200: answeredGroup, ...failures },
      },
    },
    async (request) =>
      groupOf(await calls.onGroup(request, 'answer-apply', { ...request.params, ...request.body })),
  )
}

/** What a user has asked for, or is asked. */
function ownJoinRoutes(api: Api, { calls }: Rest): void {
  const path = '/v1/users/:user_id/group-joins'
  api.get(
    path,
    {
      schema: {
        ...about(
          "A user's applications and invitations, by the ids of the groups; refused ones until they expire",
        ),
        params: userPath,
        querystring: z.object({ cursor: groupId.optional(), limit: pageLimit.default(defaultMembers) }),
        response: { 200: joinsPage, ...failures },
      },
    },
    async (request) => {
      const { cursor: after = 0, limit } = request.query
      return pageOf(await calls.onGroup(request, 'own-joins', { ...request.params, after, limit }))
    },
  )

  api.post(
    `${path}/${beforeVerb('group_id')}::answer`,
    {
      schema: {
        ...about('Accept an invitation for a user, or refuse it'),
        params: userPath.extend(groupPath.shape),
        body: z.object({ agree: z.boolean() }),
        response: { 200: answeredGroup, ...failures },
      },
    },
    async (request) =>
      groupOf(await calls.onGroup(request, 'answer-invite', { ...request.params, ...request.body })),
  )
}

export function groupRoutes(api: Api, rest: Rest): void {
  groupItself(api, rest)
  memberRoutes(api, rest)
  powerRoutes(api, rest)
  joinRoutes(api, rest)
  ownJoinRoutes(api, rest)
}
