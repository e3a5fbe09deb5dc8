/** Users: register, read, change, deactivate; their tokens. For app servers. */
import { z } from 'zod'
import {
  answeredUser,
  importLimit,
  profile,
  profileChange,
  type UserAnswer,
} from '../../../schemas/user-operations.js'
import { userId, userPath } from '../fields.js'
import { type Api, failures, type Rest } from '../rest.js'

const tokenSchema = z.object({ token: z.string() })
const about = (summary: string) => ({ tags: ['users'], summary })

const userOf = ({ user }: UserAnswer) => answeredUser.parse(user)

/** Tokens are signed by the gate, so that the bus and its records hold none. */
const tokenSigner =
  ({ tokens }: Rest['context']) =>
  (userId: number, version = 0): string =>
    tokens.sign(userId, version)

function registrationRoutes(api: Api, { context, calls }: Rest): void {
  const sign = tokenSigner(context)

  api.post(
    '/v1/users',
    {
      schema: {
        ...about('Register a user'),
        body: profile.extend({ user_id: userId }),
        response: { 201: answeredUser.extend({ token: z.string() }), ...failures },
      },
    },
    async (request, reply) => {
      const { user_id } = request.body
      const answer = await calls.onUser(request, user_id, 'create', request.body)
      return reply.code(201).send({ ...userOf(answer), token: sign(user_id, answer.token_version) })
    },
  )

  api.post(
    '/v1/users::import',
    {
      schema: {
        ...about('Register many users; those that exist stay as they are'),
        body: z.object({
          users: z
            .array(profile.extend({ user_id: userId }))
            .min(1)
            .max(importLimit),
        }),
        response: {
          200: z.object({
            results: z.array(
              z.object({
                user_id: z.string(),
                status: z.enum(['created', 'exists']),
                token: z.string().optional(),
              }),
            ),
          }),
          ...failures,
        },
      },
    },
    async (request) => {
      const { results = [] } = await calls.onUser(request, 0, 'import', request.body)
      return {
        results: results.map(({ token_version, ...each }) =>
          token_version === undefined ? each : { ...each, token: sign(Number(each.user_id), token_version) },
        ),
      }
    },
  )
}

function profileRoutes(api: Api, { calls }: Rest): void {
  api.get(
    '/v1/users/:user_id',
    { schema: { ...about('A user'), params: userPath, response: { 200: answeredUser, ...failures } } },
    async (request) => {
      const { user_id } = request.params
      return userOf(await calls.onUser(request, user_id, 'get', { user_id }))
    },
  )

  api.patch(
    '/v1/users/:user_id',
    {
      schema: {
        ...about('Change a user; null clears a field'),
        params: userPath,
        body: profileChange,
        response: { 200: answeredUser, ...failures },
      },
    },
    async (request) => {
      const { user_id } = request.params
      return userOf(await calls.onUser(request, user_id, 'update', { user_id, profile: request.body }))
    },
  )

  api.delete(
    '/v1/users/:user_id',
    {
      schema: {
        ...about('Deactivate a user: kicked, logins refused, messages kept'),
        params: userPath,
        response: { 200: answeredUser, ...failures },
      },
    },
    async (request) => {
      const { user_id } = request.params
      return userOf(await calls.onUser(request, user_id, 'deactivate', { user_id }))
    },
  )
}

function tokenRoutes(api: Api, { context, calls }: Rest): void {
  const sign = tokenSigner(context)

  api.get(
    '/v1/users/:user_id/token',
    {
      schema: {
        ...about("A user's token: the same until it is rotated"),
        params: userPath,
        response: { 200: tokenSchema, ...failures },
      },
    },
    async (request) => {
      const { user_id } = request.params
      const { token_version } = await calls.onUser(request, user_id, 'get', { user_id })
      return { token: sign(user_id, token_version) }
    },
  )

  api.post(
    '/v1/users/:user_id/token::rotate',
    {
      schema: {
        ...about('A new token: the old one is refused from now on, its devices are kicked'),
        params: userPath,
        response: { 200: tokenSchema, ...failures },
      },
    },
    async (request) => {
      const { user_id } = request.params
      const { token_version } = await calls.onUser(request, user_id, 'rotate-token', { user_id })
      return { token: sign(user_id, token_version) }
    },
  )
}

export function userRoutes(api: Api, rest: Rest): void {
  registrationRoutes(api, rest)
  profileRoutes(api, rest)
  tokenRoutes(api, rest)
}
