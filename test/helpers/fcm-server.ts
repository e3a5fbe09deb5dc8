/** Firebase Cloud Messaging (HTTP v1) and Google's token endpoint as their clients see them, over TLS. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { jwtVerify } from 'jose'
import { selfSigned } from './certificate.js'

export interface FcmAnswer {
  readonly status: number
  /** The body's error; a message name where it is not given. */
  readonly error?: object
  readonly headers?: Readonly<Record<string, string>>
}

export interface FcmServer {
  readonly origin: string
  /** The file of a service account that it knows. */
  readonly account: Readonly<Record<string, string>>
  /** PEM: what clients have to trust. */
  readonly ca: Buffer
  /** Messages that came with a good access token, in order. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  readonly received: readonly any[]
  /** What the device with this token shows: each notification once, however often it was sent. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  shown(token: string): any[]
  /** How often an access token was given. */
  readonly tokensGiven: () => number
  /** No access token that was given is good any more. */
  revoke(): void
  /** The next messages for this token are answered so, one by one; then they are accepted. */
  script(token: string, ...answers: (FcmAnswer | 'silence')[]): void
  close(): Promise<void>
}

const project_id = 'chat-of-the-tests'
const client_email = 'push@chat-of-the-tests.iam.gserviceaccount.com'
const fcmError = 'type.googleapis.com/google.firebase.fcm.v1.FcmError'

/** The error of a body as Firebase writes it. */
export const fcmFault = (code: number, status: string, errorCode?: string, field?: string): FcmAnswer => ({
  status: code,
  error: {
    code,
    status,
    message: 'in words',
    details: [
      ...(errorCode === undefined ? [] : [{ '@type': fcmError, errorCode }]),
      ...(field === undefined
        ? []
        : [
            {
              '@type': 'type.googleapis.com/google.rpc.BadRequest',
              fieldViolations: [{ field, description: '' }],
            },
          ]),
    ],
  },
})

async function bodyOf(request: Http2ServerRequest): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

const reply = (response: Http2ServerResponse, status: number, body: object, headers = {}) =>
  void response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify(body))

// biome-ignore lint/suspicious/noExplicitAny: JSON
const distinct = (messages: readonly any[]) => [
  ...new Map(messages.map((message) => [message.data.notification_id, message])).values(),
]

export async function startFcmServer({ cert, key } = selfSigned('localhost')): Promise<FcmServer> {
  const signer = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const verifier = createPublicKey(signer.publicKey.export({ type: 'spki', format: 'pem' }))
  // biome-ignore lint/suspicious/noExplicitAny: JSON
  const received: any[] = []
  const shown = new Set<unknown>()
  const scripts = new Map<string, (FcmAnswer | 'silence')[]>()
  const good = new Set<string>()
  let given = 0

  async function giveToken(request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
    const form = new URLSearchParams(await bodyOf(request))
    try {
      if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer') throw new Error('grant')
      const { payload } = await jwtVerify(form.get('assertion') ?? '', verifier, {
        issuer: client_email,
        audience: `${origin}/token`,
        algorithms: ['RS256'],
        requiredClaims: ['exp', 'iat'],
      })
      if (payload.scope !== 'https://www.googleapis.com/auth/firebase.messaging') throw new Error('scope')
    } catch {
      return reply(response, 400, { error: 'invalid_grant', error_description: 'Invalid JWT' })
    }
    given += 1
    const access_token = `access-${given}`
    good.add(access_token)
    reply(response, 200, { access_token, expires_in: 3_599, token_type: 'Bearer' })
  }

  async function takeMessage(request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
    const { message } = JSON.parse(await bodyOf(request))
    if (!good.has(String(request.headers.authorization).replace('Bearer ', '')))
      return reply(response, 401, { error: { code: 401, status: 'UNAUTHENTICATED', message: 'in words' } })
    received.push(message)
    const deed = scripts.get(message.token)?.shift() ?? { status: 200 }
    if (deed === 'silence') return
    if (deed.status === 200) shown.add(message)
    const name = `projects/${project_id}/messages/0:${received.length}`
    reply(response, deed.status, deed.error === undefined ? { name } : { error: deed.error }, deed.headers)
  }

  const server = createSecureServer({ cert, key }, (request, response) => {
    const path = `${request.method} ${request.url}`
    const deed =
      path === 'POST /token'
        ? giveToken(request, response)
        : path === `POST /v1/projects/${project_id}/messages:send`
          ? takeMessage(request, response)
          : Promise.resolve(reply(response, 404, { error: { code: 404, status: 'NOT_FOUND' } }))
    deed.catch(() => response.stream.destroy())
  })
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => void sessions.add(session))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `https://localhost:${(server.address() as AddressInfo).port}`
  return {
    origin,
    account: {
      type: 'service_account',
      project_id,
      client_email,
      private_key_id: 'key-1',
      private_key: String(signer.privateKey.export({ type: 'pkcs8', format: 'pem' })),
      token_uri: `${origin}/token`,
    },
    ca: cert,
    received,
    shown: (token) => distinct(received.filter((message) => message.token === token && shown.has(message))),
    tokensGiven: () => given,
    revoke: () => good.clear(),
    script: (token, ...answers) => void scripts.set(token, answers),
    async close() {
      for (const session of sessions) session.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
