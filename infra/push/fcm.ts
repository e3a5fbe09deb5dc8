/**
 * Firebase Cloud Messaging, HTTP v1. It knows no id to repeat a message by: what is repeated has the same tag and
 * collapse key, so that it replaces what the device shows.
 */
import type { Logger } from '../../schemas/log.js'
import type { Notification, ProviderAnswer, PushAddress, PushProvider } from '../../workers/ports/push.js'
import { reasonOf } from '../http-posts.js'
import { jsonOf, retryAfterOf, wordOf } from './answers.js'
import { fitted } from './fitted.js'
import { createGoogleTokens, type ServiceAccount } from './google-tokens.js'
import { createHttp2Client, type Http2Answer } from './http2.js'

export interface FcmSettings {
  /** https://fcm.googleapis.com */
  readonly origin: string
  readonly account: ServiceAccount
  readonly ca?: Buffer
  readonly now?: () => number
  readonly log: Logger
}

const unauthorized = 401
const forbidden = 403
const tooMany = 429
/** Google asks for a minute where a 429 names no time. */
const quotaPause_ms = 60_000
const longestMessage_bytes = 4_000
const errorType = 'type.googleapis.com/google.firebase.fcm.v1.FcmError'

/** Notifies Android devices, and whatever else Firebase reaches. An access token that is refused is replaced once. */
export function createFcmProvider(settings: FcmSettings): PushProvider & { close(): void } {
  const { origin, ca, account, now = Date.now, log } = settings
  const client = createHttp2Client({ origin, ca })
  const tokens = createGoogleTokens({ account, ca, now })
  const path = `/v1/projects/${encodeURIComponent(account.project_id)}/messages:send`

  async function attempt(body: string, timeout_ms: number): Promise<Http2Answer> {
    const deadline = now() + timeout_ms
    const left_ms = () => Math.max(1, deadline - now())
    const post = async () => {
      const token = await tokens.current(left_ms())
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const answer = await client.post(path, headers, body, left_ms())
      if (answer.status === unauthorized) tokens.refused(token)
      return answer
    }
    const answer = await post()
    return answer.status === unauthorized ? post() : answer
  }

  return {
    name: 'fcm',
    needsToken: true,
    async send(notification, address, timeout_ms) {
      if (address === undefined) return { kind: 'refused', answer: 'no push token', tokenIsDead: false }
      const body = fitted(notification, longestMessage_bytes, (each) => messageOf(each, address))
      try {
        const answer = await attempt(body, timeout_ms)
        if (answer.status === unauthorized || answer.status === forbidden)
          log.error({ answer: textOf(answer) }, 'Firebase refuses us: check the service account')
        return judge(answer, now())
      } catch (error) {
        return { kind: 'unknown', answer: reasonOf(error) }
      }
    },
    close() {
      client.close()
      tokens.close()
    },
  }
}

function messageOf(notification: Notification, { token }: PushAddress): string {
  const { notification_id, title, body, badge, collapse_key, expires } = notification
  const expires_s = Math.floor(expires / 1_000)
  const ttl_s = Math.max(0, expires_s - Math.floor(notification.time / 1_000))
  return JSON.stringify({
    message: {
      token,
      notification: { title, body },
      data: {
        notification_id,
        from_user_id: String(notification.from_user_id),
        session_id: String(notification.session_id),
        msg_id: notification.msg_id,
        server_msg_id: String(notification.server_msg_id),
        badge: String(badge),
      },
      android: {
        collapse_key,
        priority: 'HIGH',
        ttl: `${ttl_s}s`,
        notification: { tag: collapse_key, notification_count: badge, default_sound: true },
      },
      apns: {
        headers: {
          'apns-id': notification_id,
          'apns-collapse-id': collapse_key,
          'apns-expiration': String(expires_s),
        },
        payload: { aps: { badge, sound: 'default', 'thread-id': collapse_key } },
      },
    },
  })
}

interface FcmFault {
  readonly status?: unknown
  readonly details?: unknown
}

interface Detail {
  readonly '@type'?: unknown
  readonly errorCode?: unknown
  readonly fieldViolations?: readonly { readonly field?: unknown }[]
}

/** The error's own code where there is one, else its status; and whether it is about the token. */
function faultIn({ body }: Http2Answer): { code: string | undefined; isAboutToken: boolean } {
  const { status, details } = (jsonOf(body).error ?? {}) as FcmFault
  const listed = (Array.isArray(details) ? details : []) as Detail[]
  const code = listed.find((each) => each['@type'] === errorType)?.errorCode ?? status
  const isAboutToken = listed.some((each) =>
    each.fieldViolations?.some(({ field }) => field === 'message.token'),
  )
  return { code: wordOf(code), isAboutToken }
}

const textOf = (answer: Http2Answer): string => [answer.status, faultIn(answer).code ?? ''].join(' ').trim()

function judge(answer: Http2Answer, now: number): ProviderAnswer {
  const { status } = answer
  if (status === 200) return { kind: 'accepted', answer: wordOf(jsonOf(answer.body).name) ?? String(status) }
  const text = textOf(answer)
  const { code, isAboutToken } = faultIn(answer)
  // Ours to put right: what waits goes out once the settings are.
  const isOurs = status === unauthorized || (status === forbidden && code !== 'SENDER_ID_MISMATCH')
  if (status >= 500 || status === tooMany || isOurs) {
    const asked = retryAfterOf(answer.header('retry-after'), now)
    return {
      kind: 'unknown',
      answer: text,
      ...(status === tooMany ? { retryAfter_ms: quotaPause_ms } : {}),
      ...asked,
    }
  }
  const tokenIsDead = code === 'UNREGISTERED' || (code === 'INVALID_ARGUMENT' && isAboutToken)
  return { kind: 'refused', answer: text, tokenIsDead }
}
