/** Access tokens of a Google service account: a signed assertion (JWT, RS256) for a token of an hour (OAuth 2). */
import { jsonOf, wordOf } from './answers.js'
import { createHttp2Client } from './http2.js'

/** Of the service account's file. */
export interface ServiceAccount {
  readonly project_id: string
  readonly client_email: string
  readonly private_key: string
  readonly private_key_id?: string | undefined
  readonly token_uri: string
}

export interface GoogleTokens {
  /** A token that is good for a while. Rejects with an Error whose `code` says why there is none. */
  current(timeout_ms: number): Promise<string>
  /** This token was refused: the next one is asked for anew. */
  refused(token: string): void
  close(): void
}

const scope = 'https://www.googleapis.com/auth/firebase.messaging'
const assertionGrant = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const assertion_s = 3_600
/** A token is left alone this long before its end. */
const margin_ms = 5 * 60_000

interface Token {
  readonly text: string
  readonly until: number
}

export function createGoogleTokens({
  account,
  ca,
  now = Date.now,
}: {
  account: ServiceAccount
  ca?: Buffer | undefined
  now?: () => number
}): GoogleTokens {
  const { origin, pathname } = new URL(account.token_uri)
  const client = createHttp2Client({ origin, ca })
  let token: Token | undefined
  let asking: Promise<Token> | undefined

  async function assertion(): Promise<string> {
    const { importPKCS8, SignJWT } = await import('jose') // only who pushes needs it
    const iat = Math.floor(now() / 1_000)
    return new SignJWT({ scope })
      .setProtectedHeader({
        alg: 'RS256',
        typ: 'JWT',
        ...(account.private_key_id ? { kid: account.private_key_id } : {}),
      })
      .setIssuer(account.client_email)
      .setAudience(account.token_uri)
      .setIssuedAt(iat)
      .setExpirationTime(iat + assertion_s)
      .sign(await importPKCS8(account.private_key, 'RS256'))
  }

  async function ask(timeout_ms: number): Promise<Token> {
    const form = new URLSearchParams({ grant_type: assertionGrant, assertion: await assertion() })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const { status, body } = await client.post(pathname, headers, form.toString(), timeout_ms)
    const { access_token, expires_in, error } = jsonOf(body)
    if (status !== 200 || typeof access_token !== 'string' || access_token === '')
      throw Object.assign(new Error('no access token'), {
        code: `OAuth ${status} ${wordOf(error) ?? ''}`.trim(),
      })
    return { text: access_token, until: now() + Number(expires_in ?? 0) * 1_000 - margin_ms }
  }

  return {
    async current(timeout_ms) {
      if (token !== undefined && now() < token.until) return token.text
      // Who comes meanwhile waits for the same answer.
      asking ??= ask(timeout_ms).finally(() => {
        asking = undefined
      })
      token = await asking
      return token.text
    },
    refused(text) {
      if (token?.text === text) token = undefined
    },
    close: client.close,
  }
}
