/** Signatures of addresses that are good without a key for a while, under TOKEN_SECRET. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { AddressSigner } from '../../gateway/ports.js'

/** So that no signature of ours means anything elsewhere. */
const purpose = 'signed-address'

/** @param secrets the first signs, all verify */
export function createAddressSigner(secrets: readonly string[]): AddressSigner {
  const macOf = (secret: string, parts: readonly string[]): Buffer =>
    createHmac('sha256', secret)
      .update([purpose, ...parts].join('\n'))
      .digest()
  return {
    sign: (...parts) => macOf(secrets[0] ?? '', parts).toString('base64url'),
    verify(signature, ...parts) {
      const given = Buffer.from(signature, 'base64url')
      let valid = false
      for (const secret of secrets) {
        const mac = macOf(secret, parts)
        if (given.length === mac.length && timingSafeEqual(mac, given)) valid = true
      }
      return valid
    },
  }
}
