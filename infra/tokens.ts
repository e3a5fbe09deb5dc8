/** User tokens: base64url(user_id.version.HMAC-SHA-256) under TOKEN_SECRET (spec 2, "Login" 1). */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { isUserId } from '../schemas/ids.js'
import type { TokenSigner } from '../workers/ports/users.js'

const tokenText = /^([1-9]\d{0,15})\.([1-9]\d{0,9})\.([\w-]{43})$/
/** Longer ones are refused unread (spec 1, "Limits of fields"). */
const maxTokenBytes = 256

const macOf = (secret: string, claim: string): Buffer => createHmac('sha256', secret).update(claim).digest()

/**
 * @param secrets the first signs, all verify; at least one
 * @throws Error without a secret
 */
export function createTokenSigner(secrets: readonly string[]): TokenSigner {
  const [signing] = secrets
  if (signing === undefined) throw new Error('TOKEN_SECRET is not set')

  return {
    sign(userId, version) {
      const claim = `${userId}.${version}`
      return Buffer.from(`${claim}.${macOf(signing, claim).toString('base64url')}`).toString('base64url')
    },

    verify(token) {
      if (token.length > maxTokenBytes) return undefined
      const bytes = Buffer.from(token, 'base64url')
      // One spelling only: the decoder skips what is not base64url.
      if (bytes.toString('base64url') !== token) return undefined
      const parts = tokenText.exec(bytes.toString('latin1'))
      if (parts === null) return undefined
      const [, user, version, mac] = parts as unknown as [string, string, string, string]
      const given = Buffer.from(mac, 'base64url')
      let valid = false
      // All are compared, so that the time does not tell which secret signed it.
      for (const secret of secrets)
        if (timingSafeEqual(macOf(secret, `${user}.${version}`), given)) valid = true
      const user_id = Number(user)
      return valid && isUserId(user_id) ? { user_id, version: Number(version) } : undefined
    },
  }
}
