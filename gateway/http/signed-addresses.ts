/** Addresses that a browser can open without a key, for ten minutes: an <img> sends no header (spec 4, files). */
import type { AddressSigner } from '../ports.js'

const goodFor_s = 600

export interface SignedAddresses {
  /** The query of an address of this file, and when it ends (ms). */
  sign(fileId: string): { readonly query: string; readonly expires: number }
  /** Whether a query that was given is one of this file, and not over. */
  isGood(fileId: string, query: { readonly expires?: string; readonly signature?: string }): boolean
}

/** @param now ms since 1970 */
export const createSignedAddresses = (signer: AddressSigner, now: () => number): SignedAddresses => ({
  sign(fileId) {
    const expires_s = Math.floor(now() / 1_000) + goodFor_s
    const signature = signer.sign('file', fileId, String(expires_s))
    return { query: `expires=${expires_s}&signature=${signature}`, expires: expires_s * 1_000 }
  },

  isGood(fileId, { expires = '', signature = '' }) {
    if (!/^\d{1,12}$/.test(expires) || Number(expires) * 1_000 <= now()) return false
    return signer.verify(signature, 'file', fileId, expires)
  },
})
