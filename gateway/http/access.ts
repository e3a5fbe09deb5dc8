/** Who calls: an app server with an API key, or a client with its user token, for itself (spec 4). */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { HttpContext } from '../context.js'
import type { Calls } from './calls.js'
import { createFailures } from './failures.js'
import { Fault, forbidden } from './faults.js'
import { createSignedAddresses } from './signed-addresses.js'

/** Who may call a route: anybody, app servers only (the default), or clients for themselves too. */
export type Access = 'open' | 'app' | 'client'

export type Caller = { readonly kind: 'app' } | { readonly kind: 'client'; readonly user_id: number }

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
    /** An address that was signed is good without a key. */
    signed?: true
  }
  interface FastifyRequest {
    caller: Caller
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Refuses what a client asks for somebody else. */
export function requireSelf(caller: Caller, userId: number): void {
  if (caller.kind === 'client' && caller.user_id !== userId)
    throw forbidden('a user token is good for its own user only')
}

/**
 * A hook that finds out who calls and refuses who may not. Runs before the body is read.
 * Throws the Fault 401, 403, 429, or 503 where the token cannot be checked now.
 */
export function createGuard({ config, tokens, metrics, files }: HttpContext, calls: Calls) {
  const addresses = createSignedAddresses(files.signer, Date.now)
  const keys = config.API_KEY.map(digest)
  const failures = createFailures(() => performance.now())

  /** Every key is compared, whatever matched before: the time tells nothing. */
  const isApiKey = (given: string): boolean => {
    const digested = digest(given)
    return keys.reduce((found, key) => timingSafeEqual(key, digested) || found, false)
  }

  function unauthorized(request: FastifyRequest): Fault {
    metrics.count('http_auth_failures')
    const retryAfter_s = failures.count(request.ip)
    return retryAfter_s > 0
      ? new Fault(429, 'RATE_LIMITED', 'too many wrong keys from this address', { retryAfter_s })
      : new Fault(401, 'UNAUTHORIZED', 'a valid key is needed: Authorization: Bearer <key>')
  }

  return async (request: FastifyRequest): Promise<void> => {
    const access = request.routeOptions.config.access ?? 'app'
    if (access === 'open' || request.is404) return
    if (request.routeOptions.config.signed && 'signature' in (request.query as object)) {
      const { file_id } = request.params as { file_id: string }
      if (addresses.isGood(file_id, request.query as object)) return
      throw forbidden('this signed address is over, or was never good')
    }
    const bearer = /^Bearer +(\S{1,1024})$/i.exec(request.headers.authorization ?? '')?.[1]
    if (bearer === undefined) throw unauthorized(request)
    if (isApiKey(bearer)) return // request.caller is the app server unless said otherwise
    const claim = tokens.verify(bearer)
    if (claim === undefined) throw unauthorized(request)
    if (access !== 'client') throw forbidden('this call needs an API key, not a user token')
    const caller: Caller = { kind: 'client', user_id: claim.user_id }
    const { user_id } = request.params as { user_id?: string }
    if (user_id !== undefined) requireSelf(caller, Number(user_id))
    // Only the users' worker knows which version of the token is still good.
    await calls.onUser(request, claim.user_id, 'check-token', claim)
    request.caller = caller
  }
}
