/**
 * The web chat at /chat: its files, and the demo users with their tokens. Only in the local profile, and only to who
 * is on this machine: nobody is handed a token anywhere else.
 */
import type { FastifyRequest } from 'fastify'
import { demoUsers } from '../../../schemas/demo.js'
import { isLoopback } from '../../../schemas/setting.js'
import type { Calls } from '../calls.js'
import { Fault } from '../faults.js'
import type { Api, Rest } from '../rest.js'

const open = { config: { access: 'open' }, schema: { hide: true } } as const

/** Nothing from other hosts, no script or style in the page itself. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' blob:",
  "media-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const notFound = () => new Fault(404, 'NOT_FOUND', 'there is no such call')

/**
 * Nobody else's page: a name that only seems to be this machine's (DNS rebinding) comes with its own Host, another
 * site's script with its own Sec-Fetch-Site, a proxy with the header that it adds.
 */
function isOwnPage({ socket, headers }: FastifyRequest): boolean {
  const host = (headers.host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  return (
    isLoopback(host) &&
    isLoopback((socket.remoteAddress ?? '').replace(/^::ffff:/, '')) &&
    headers.origin === undefined && // a page's own GET has none
    headers['x-forwarded-for'] === undefined &&
    headers.forwarded === undefined &&
    [undefined, 'same-origin', 'none'].includes(headers['sec-fetch-site'] as string | undefined)
  )
}

/** The version of the user's token; registers the user where it is new. */
async function tokenVersionOf(calls: Calls, request: FastifyRequest, user: (typeof demoUsers)[number]) {
  const user_id = Number(user.user_id)
  const taken = (error: unknown) => {
    if (error instanceof Fault && error.status === 409)
      return calls.onUser(request, user_id, 'get', { user_id })
    throw error
  }
  const { nick_name } = user
  const { token_version } = await calls
    .onUser(request, user_id, 'create', { user_id, nick_name })
    .catch(taken)
  return token_version
}

/** Where the profile is local, the address is loopback and the chat is built; otherwise there is no such call. */
export function chatRoutes(api: Api, { context, calls }: Rest): void {
  const { config, tokens, chatFiles } = context
  if (config.PROFILE !== 'local' || !isLoopback(config.HOST) || chatFiles === undefined) return

  const answer = (name: string) => {
    const file = chatFiles.get(name)
    if (file === undefined) throw notFound()
    return file
  }
  api.get('/chat', open, (_request, reply) => {
    const { type, body } = answer('index.html')
    return reply
      .type(type)
      .header('content-security-policy', policy)
      .header('cache-control', 'no-cache')
      .send(body)
  })
  api.get<{ Params: { file: string } }>('/chat/:file', open, (request, reply) => {
    const { type, body } = answer(request.params.file)
    return reply.type(type).header('cache-control', 'no-cache').send(body)
  })
  api.get('/chat/users', open, async (request, reply) => {
    if (!isOwnPage(request)) throw notFound()
    const users = await Promise.all(
      demoUsers.map(async (user) => ({
        ...user,
        token: tokens.sign(Number(user.user_id), (await tokenVersionOf(calls, request, user)) ?? 0),
      })),
    )
    return reply.header('cache-control', 'no-store').send({ users })
  })
}
