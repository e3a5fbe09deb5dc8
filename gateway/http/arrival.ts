/** How long the body of a request may take to arrive. An upload has FILE_UPLOAD_TIMEOUT_MS, the server's own limit. */
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Its body may be long, and take its time. */
    upload?: true
  }
}

/**
 * A request that is not whole in time is answered and closed, in the manner of the server's own limits.
 * @param body_ms from its head to its end
 */
export function limitArrival(
  api: FastifyInstance,
  body_ms: number,
  refuse: (error: NodeJS.ErrnoException, socket: Socket) => void,
): void {
  api.addHook('onRequest', async ({ raw, routeOptions }, reply) => {
    if (raw.complete || routeOptions.config.upload) return
    const timer = setTimeout(() => {
      if (!raw.complete) refuse(Object.assign(new Error(), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), raw.socket)
    }, body_ms)
    timer.unref()
    raw.once('end', () => clearTimeout(timer))
    reply.raw.once('close', () => clearTimeout(timer))
  })
}
