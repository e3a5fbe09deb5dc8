/**
 * Apple's push service over HTTP/2 with provider tokens (JWT, ES256). What is repeated has the same apns-id and
 * collapse id, so that a device shows it once.
 */
import type { Logger } from '../../schemas/log.js'
import type { Notification, ProviderAnswer, PushAddress, PushProvider } from '../../workers/ports/push.js'
import { reasonOf } from '../http-posts.js'
import { jsonOf, retryAfterOf, wordOf } from './answers.js'
import { fitted } from './fitted.js'
import { createHttp2Client, type Http2Answer } from './http2.js'

export interface ApnsSettings {
  /** https://api.push.apple.com, or Apple's sandbox */
  readonly origin: string
  /** PEM of the signing key (PKCS#8, as Apple's .p8 files are). */
  readonly key: string
  readonly keyId: string
  readonly teamId: string
  /** The app's bundle id. */
  readonly topic: string
  readonly ca?: Buffer
  readonly now?: () => number
  readonly log: Logger
}

const minute_ms = 60_000
/** Apple refuses tokens older than an hour, and who makes a new one more often than every 20 minutes. */
const renewAfter_ms = 45 * minute_ms
const notRenewedBefore_ms = 20 * minute_ms
const longestPayload_bytes = 4_096

const gone = 410
const tooMany = 429
const forbidden = 403
/** These mean the token. `DeviceTokenNotForTopic` may as well mean our own settings, so it removes none. */
const deadReasons = new Set(['BadDeviceToken', 'Unregistered', 'ExpiredToken'])
const providerTokenReasons = new Set(['ExpiredProviderToken', 'InvalidProviderToken', 'MissingProviderToken'])

/** The token that says who we are: made anew in time, one at a time. */
function createProviderTokens({ key, keyId, teamId, now = Date.now }: ApnsSettings) {
  let made: { readonly at: number; readonly jwt: Promise<string> } | undefined

  async function sign(at: number): Promise<string> {
    const { importPKCS8, SignJWT } = await import('jose') // only who pushes needs it
    return new SignJWT()
      .setProtectedHeader({ alg: 'ES256', kid: keyId })
      .setIssuer(teamId)
      .setIssuedAt(Math.floor(at / 1_000))
      .sign(await importPKCS8(key, 'ES256'))
  }

  /** @param maxAge_ms an older one is replaced */
  return (maxAge_ms = renewAfter_ms): Promise<string> => {
    const at = now()
    if (made === undefined || at - made.at >= maxAge_ms) {
      const jwt = sign(at)
      made = { at, jwt }
      jwt.catch(() => {
        made = undefined
      })
    }
    return made.jwt
  }
}

/** Notifies iOS devices. A provider token that Apple calls expired is replaced once, where it may be. */
export function createApnsProvider(settings: ApnsSettings): PushProvider & { close(): void } {
  const { origin, ca, topic, now = Date.now, log } = settings
  const client = createHttp2Client({ origin, ca })
  const tokens = createProviderTokens(settings)

  async function attempt(notification: Notification, address: PushAddress, timeout_ms: number) {
    const deadline = now() + timeout_ms
    const body = fitted(notification, longestPayload_bytes, payloadOf)
    const post = (jwt: string) =>
      client.post(
        `/3/device/${encodeURIComponent(address.token)}`,
        headersOf(notification, topic, jwt),
        body,
        Math.max(1, deadline - now()),
      )
    const jwt = await tokens()
    const answer = await post(jwt)
    if (answer.status !== forbidden || reasonIn(answer) !== 'ExpiredProviderToken') return answer
    const renewed = await tokens(notRenewedBefore_ms)
    return renewed === jwt ? answer : post(renewed)
  }

  return {
    name: 'apns',
    needsToken: true,
    async send(notification, address, timeout_ms) {
      if (address === undefined) return { kind: 'refused', answer: 'no push token', tokenIsDead: false }
      try {
        const answer = await attempt(notification, address, timeout_ms)
        if (answer.status === forbidden)
          log.error({ answer: textOf(answer) }, 'Apple refuses our provider token: check the APNS settings')
        return judge(answer, now())
      } catch (error) {
        return { kind: 'unknown', answer: reasonOf(error) }
      }
    },
    close: client.close,
  }
}

const headersOf = (notification: Notification, topic: string, jwt: string) => ({
  authorization: `bearer ${jwt}`,
  'apns-id': notification.notification_id,
  'apns-topic': topic,
  'apns-push-type': 'alert',
  'apns-priority': '10',
  'apns-expiration': String(Math.floor(notification.expires / 1_000)),
  'apns-collapse-id': notification.collapse_key,
  'content-type': 'application/json',
})

const payloadOf = (notification: Notification): string =>
  JSON.stringify({
    aps: {
      alert: { title: notification.title, body: notification.body },
      badge: notification.badge,
      sound: 'default',
      'thread-id': notification.collapse_key,
    },
    from_user_id: String(notification.from_user_id),
    session_id: String(notification.session_id),
    msg_id: notification.msg_id,
    server_msg_id: String(notification.server_msg_id),
  })

const reasonIn = ({ body }: Http2Answer): string | undefined => wordOf(jsonOf(body).reason)

const textOf = (answer: Http2Answer): string => [answer.status, reasonIn(answer) ?? ''].join(' ').trim()

function judge(answer: Http2Answer, now: number): ProviderAnswer {
  const { status } = answer
  const text = textOf(answer)
  const reason = reasonIn(answer) ?? ''
  if (status === 200) return { kind: 'accepted', answer: text }
  // Ours to put right: what waits goes out once the settings are.
  const isOurs = status === forbidden && providerTokenReasons.has(reason)
  if (status >= 500 || status === tooMany || isOurs)
    return { kind: 'unknown', answer: text, ...retryAfterOf(answer.header('retry-after'), now) }
  const tokenIsDead = status === gone || deadReasons.has(reason)
  const { timestamp } = jsonOf(answer.body)
  return {
    kind: 'refused',
    answer: text,
    tokenIsDead,
    ...(status === gone && typeof timestamp === 'number' ? { deadSince: timestamp } : {}),
  }
}
