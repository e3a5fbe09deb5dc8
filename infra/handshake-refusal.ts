/** What a failed handshake of TLS says to an operator. */
import { EngineRefused } from '../schemas/engine-refused.js'

const codeOf = (error: unknown): string => {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

/**
 * What is wrong with a certificate, by Node's codes; undefined where it is something else.
 * @param engine PostgreSQL or Redis
 * @param settings prefix of its settings: DATABASE_TLS or REDIS_TLS
 */
export function handshakeRefusal(
  error: unknown,
  engine: string,
  settings: string,
): EngineRefused | undefined {
  const [code, { message }] = [codeOf(error), error as Error]
  const refuse = (says: string, remedy: string) => new EngineRefused(says, remedy, { cause: error })
  if (code === 'CERT_HAS_EXPIRED') return refuse(`the certificate of ${engine} has expired`, 'renew it there')
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return refuse(
      `the certificate of ${engine} is for another name (${message})`,
      'use the name that is in it',
    )
  if (/CERT|SIGNATURE|ISSUER|SIGNED|_CA$/.test(code) && !code.startsWith('ERR_SSL'))
    return refuse(
      `the certificate of ${engine} is not trusted (${message})`,
      `set ${settings}_CA to the file of the authority that it comes from`,
    )
  if (/^ERR_SSL_.*ALERT/.test(code))
    return refuse(
      `${engine} does not take our certificate (${code})`,
      `set ${settings}_CERT and ${settings}_KEY to a pair that its authority has signed`,
    )
  if (/^ERR_SSL_WRONG_VERSION|^EPROTO$/.test(code))
    return refuse(`${engine} does not speak TLS there`, 'name its port with TLS, or an address without TLS')
  return undefined
}
