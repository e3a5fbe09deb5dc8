/** Answers of PostgreSQL that stay as they are, said with what to do. */
import { EngineRefused } from '../../schemas/engine-refused.js'
import { handshakeRefusal } from '../handshake-refusal.js'

/** Multiranges came with it. */
const oldest = 14

const refusals: readonly [pattern: RegExp, says: string, remedy: string][] = [
  [/^28P01/, 'PostgreSQL does not let us in', 'are the user and the password in DATABASE_URL right?'],
  [
    /^28000/,
    'PostgreSQL does not let us in',
    'see pg_hba.conf and the role; sslmode=verify-full where it wants TLS, DATABASE_TLS_CERT where it wants a certificate',
  ],
  [
    /^3D000/,
    'PostgreSQL has no such database',
    'node dist/main.js --setup makes it, where the role may (CREATEDB)',
  ],
  [
    /^42501|^3F000/,
    'the role lacks a right in PostgreSQL',
    'let it own the database, or grant what docs/operate/postgres.md says',
  ],
  [/^25006/, 'PostgreSQL is read-only: a standby', 'let DATABASE_URL lead to the primary'],
  [
    /unsupported startup parameter/,
    'a pooler answers in place of PostgreSQL',
    'set DATABASE_POOLER=true, and DATABASE_MIGRATION_URL to the database itself',
  ],
  [
    /does not support SSL connections/,
    'PostgreSQL speaks no TLS',
    'set ssl=on there, or sslmode=disable in DATABASE_URL',
  ],
]

/** The error as one that says what to do; itself where it may pass. */
export function refusalOf(error: unknown): Error {
  const { code = '', message, cause } = error as Error & { code?: string }
  const found = refusals.find(([pattern]) => pattern.test(code) || pattern.test(message))
  if (found !== undefined) return new EngineRefused(`${found[1]} (${message})`, found[2], { cause: error })
  const deeper = cause === undefined ? undefined : refusalOf(cause)
  if (deeper instanceof EngineRefused) return deeper
  return handshakeRefusal(error, 'PostgreSQL', 'DATABASE_TLS') ?? (error as Error)
}

/** @param version such as 18.1 @throws EngineRefused where it lacks what we use */
export function refuseOld(version: string): void {
  if (Number.parseInt(version, 10) < oldest)
    throw new EngineRefused(`PostgreSQL ${version} is too old`, `${oldest} or newer is needed`)
}
