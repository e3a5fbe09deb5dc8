/** Apple's push service as its clients see it: HTTP/2 over TLS, provider tokens, its errors. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import {
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import { selfSigned } from './certificate.js'

export interface ApnsNotification {
  readonly token: string
  readonly apnsId: string
  readonly collapseId: string
  /** s */
  readonly expiration: number
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  readonly payload: any
  /** The connection that it came over, counted from 1. */
  readonly connection: number
  /** The provider token. */
  readonly jwt: string
  readonly deed: ApnsDeed
}

export interface ApnsAnswer {
  readonly status: number
  readonly reason?: string
  readonly timestamp?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** What the server does with a notification: answers, never answers, cuts the connection, or says goodbye after it. */
export type ApnsDeed = ApnsAnswer | 'silence' | 'cut' | 'goaway'

export interface ApnsServer {
  readonly origin: string
  /** Settings of a client that it knows. */
  readonly key: string
  readonly keyId: string
  readonly teamId: string
  readonly topic: string
  /** PEM: what clients have to trust. */
  readonly ca: Buffer
  /** Everything that came with good credentials, in order. */
  readonly received: readonly ApnsNotification[]
  /** What the device with this token shows or may show: each notification once, however often it came. */
  shown(token: string): ApnsNotification[]
  /** The next notifications for this token are treated so, one by one; then they are accepted. */
  script(token: string, ...deeds: ApnsDeed[]): void
  close(): Promise<void>
}

const keyId = 'KEY4567890'
const teamId = 'TEAM567890'
const topic = 'com.example.chat'
const longestToken_s = 3_600

function answer(
  stream: ServerHttp2Stream,
  apnsId: string,
  { status, reason, timestamp, headers }: ApnsAnswer,
): void {
  if (stream.destroyed) return
  stream.respond({ ':status': status, 'apns-id': apnsId, ...headers })
  stream.end(reason === undefined ? undefined : JSON.stringify({ reason, timestamp }))
}

/** What was refused is not shown; what was cut off, or had no answer, may be. */
const distinctShown = (all: readonly ApnsNotification[]): ApnsNotification[] => [
  ...new Map(
    all
      .filter(({ deed }) => typeof deed === 'string' || deed.status === 200)
      .map((each) => [each.apnsId, each]),
  ).values(),
]

export async function startApnsServer({ cert, key } = selfSigned('localhost')): Promise<ApnsServer> {
  const signer = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const verifier = createPublicKey(signer.publicKey.export({ type: 'spki', format: 'pem' }))
  const received: ApnsNotification[] = []
  const scripts = new Map<string, ApnsDeed[]>()
  const sessions = new Map<ServerHttp2Session, number>()
  const server = createSecureServer({ cert, key })
  server.on('session', (session) => {
    sessions.set(session, sessions.size + 1)
    session.on('error', () => {})
  })

  async function credentialFault(headers: IncomingHttpHeaders): Promise<string | undefined> {
    const jwt = /^bearer (.+)$/.exec(headers.authorization ?? '')?.[1]
    if (jwt === undefined) return 'MissingProviderToken'
    if (decodeProtectedHeader(jwt).kid !== keyId) return 'InvalidProviderToken'
    try {
      const { payload } = await jwtVerify(jwt, verifier, { issuer: teamId, algorithms: ['ES256'] })
      return Date.now() / 1_000 - (payload.iat ?? 0) > longestToken_s ? 'ExpiredProviderToken' : undefined
    } catch {
      return 'InvalidProviderToken'
    }
  }

  async function take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const session = stream.session as ServerHttp2Session
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    const apnsId = String(headers['apns-id'])
    const token = /^\/3\/device\/([^/]+)$/.exec(String(headers[':path']))?.[1]
    if (headers[':method'] !== 'POST' || token === undefined)
      return answer(stream, apnsId, { status: 404, reason: 'BadPath' })
    const fault = await credentialFault(headers)
    if (fault !== undefined) return answer(stream, apnsId, { status: 403, reason: fault })
    if (headers['apns-topic'] !== topic) return answer(stream, apnsId, { status: 400, reason: 'BadTopic' })
    const body = Buffer.concat(chunks)
    if (body.length > 4_096) return answer(stream, apnsId, { status: 413, reason: 'PayloadTooLarge' })
    const deed = scripts.get(token)?.shift() ?? { status: 200 }
    received.push({
      deed,
      token,
      apnsId,
      collapseId: String(headers['apns-collapse-id']),
      expiration: Number(headers['apns-expiration']),
      payload: JSON.parse(body.toString('utf8')),
      connection: sessions.get(session) ?? 0,
      jwt: String(headers.authorization).slice('bearer '.length),
    })
    if (deed === 'silence') return
    if (deed === 'cut') return session.destroy()
    answer(stream, apnsId, deed === 'goaway' ? { status: 200 } : deed)
    if (deed === 'goaway') session.goaway()
  }

  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    take(stream, headers).catch(() => stream.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `https://localhost:${(server.address() as AddressInfo).port}`,
    key: String(signer.privateKey.export({ type: 'pkcs8', format: 'pem' })),
    keyId,
    teamId,
    topic,
    ca: cert,
    received,
    shown: (token) => distinctShown(received.filter((each) => each.token === token)),
    script: (token, ...deeds) => void scripts.set(token, deeds),
    async close() {
      for (const session of sessions.keys()) session.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
