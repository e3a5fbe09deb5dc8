/**
 * Pages of other origins (spec 4): those of ALLOWED_ORIGINS may call what clients call with a user token, and the list
 * of gateways. Calls of app servers are for no page: an API key in one is everybody's.
 */
import type { FastifyInstance } from 'fastify'
import { Fault } from './faults.js'

const methods = 'GET, POST, PUT, PATCH, DELETE'
const asked = 'authorization, content-type, idempotency-key, range, if-none-match, traceparent, x-request-id'
const told = 'x-request-id, retry-after, content-range, etag'
const remembered_s = '600'

/**
 * Answers preflights, and says which pages may read an answer. Nobody is served less for it: who is no browser sends
 * no Origin, and a page that may not read an answer has no token but its own user's.
 * @param isAllowed of Origin and Host
 */
export function allowOrigins(
  api: FastifyInstance,
  isAllowed: (origin: string | undefined, host: string | undefined) => boolean,
): void {
  api.addHook('onRequest', async (request, reply) => {
    const { origin, host } = request.headers
    // Health, figures, the pages and the demo users' tokens are nobody's to read.
    if (origin === undefined || !request.url.startsWith('/v1/')) return
    reply.header('vary', 'origin')
    const isPreflight = request.method === 'OPTIONS' && 'access-control-request-method' in request.headers
    const { access = 'app' } = request.routeOptions.config
    if (!isPreflight && (request.is404 || access === 'app')) return
    if (!isAllowed(origin, host)) {
      if (isPreflight) throw new Fault(403, 'ORIGIN_NOT_ALLOWED', 'ALLOWED_ORIGINS does not name this page')
      return
    }
    reply.header('access-control-allow-origin', origin).header('access-control-expose-headers', told)
    if (!isPreflight) return
    return reply
      .code(204)
      .header('access-control-allow-methods', methods)
      .header('access-control-allow-headers', asked)
      .header('access-control-max-age', remembered_s)
      .send()
  })
}
