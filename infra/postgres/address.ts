/** How a client of PostgreSQL connects. */
import type { ConnectionOptions } from 'node:tls'
import type pg from 'pg'
import type { DatabaseAddress } from '../../schemas/database-settings.js'
import { engineTls } from '../tls-files.js'

/** Where it is, or a plain URL without TLS and without a pooler. */
export type Address = DatabaseAddress | string

/** A plain URL as an address. */
export const addressOf = (address: Address): DatabaseAddress =>
  typeof address === 'string' ? { url: address, isPooled: false } : address

function tlsOptions({ tls }: DatabaseAddress): ConnectionOptions | false {
  if (tls === undefined) return false
  return {
    ...engineTls('DATABASE_TLS', tls),
    rejectUnauthorized: tls.mode !== 'require',
    // Whatever the name is: the authority vouches for it.
    ...(tls.mode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
  }
}

/** @throws Error where a file of a certificate cannot be used */
export function connectionOf(address: Address): Pick<pg.ClientConfig, 'connectionString' | 'ssl'> {
  const full = addressOf(address)
  return { connectionString: full.url, ssl: tlsOptions(full) }
}
