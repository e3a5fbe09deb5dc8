/**
 * Notifications as signed HTTP posts, for vendors and aggregators behind an endpoint of the business's own.
 * How the receiver checks them is in ../signed-post.ts; `idempotency-key` is the same at each attempt.
 */
import type { Notification, ProviderAnswer, PushAddress, PushProvider } from '../../workers/ports/push.js'
import { reasonOf } from '../http-posts.js'
import { signedPost } from '../signed-post.js'
import { retryAfterOf } from './answers.js'

export interface WebhookSettings {
  /** As it stands in the ledger. */
  readonly name: string
  readonly url: string
  /** Without one the posts are not signed. */
  readonly secret?: string | undefined
}

const gone = 410
/** Too early, too slow, too many: the same post may pass later. */
const passing = new Set([408, 425, 429])

/** Posts to this address. 2xx is accepted, 410 a dead token, other 4xx and redirects are refused. */
export const createWebhookProvider = ({ name, url, secret }: WebhookSettings): PushProvider => ({
  name,
  needsToken: true,
  async send(notification, address, timeout_ms) {
    const body = JSON.stringify(payloadOf(notification, address))
    try {
      const response = await signedPost({
        url,
        body,
        idempotency_key: notification.notification_id,
        secret,
        timeout_ms,
        trace: notification.trace,
      })
      await response.body?.cancel()
      return answerOf(response)
    } catch (error) {
      return { kind: 'unknown', answer: reasonOf(error) }
    }
  },
})

const payloadOf = (notification: Notification, address: PushAddress | undefined) => ({
  notification_id: notification.notification_id,
  user_id: String(notification.user_id),
  client_type: notification.device.client_type,
  ...(notification.device.device_id ? { device_id: notification.device.device_id } : {}),
  ...(address ? { provider: address.provider, token: address.token } : {}),
  title: notification.title,
  body: notification.body,
  badge: notification.badge,
  collapse_key: notification.collapse_key,
  from_user_id: String(notification.from_user_id),
  session_id: String(notification.session_id),
  msg_id: notification.msg_id,
  server_msg_id: String(notification.server_msg_id),
  time: notification.time,
  expires: notification.expires,
})

function answerOf({ status, headers }: Response): ProviderAnswer {
  const answer = `HTTP ${status}`
  if (status >= 200 && status < 300) return { kind: 'accepted', answer }
  if (status >= 500 || passing.has(status)) {
    return { kind: 'unknown', answer, ...retryAfterOf(headers.get('retry-after'), Date.now()) }
  }
  return { kind: 'refused', answer, tokenIsDead: status === gone }
}
