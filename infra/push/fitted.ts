/** Notifications that are too long for their provider. */
import type { Notification } from '../../workers/ports/push.js'

/** Of what is cut, this much stays at each step. */
const kept = 0.7

/**
 * What `render` makes of the notification; its text is cut until that has at most `limit` bytes.
 * @param limit above what is left with an empty text
 */
export function fitted(
  notification: Notification,
  limit_bytes: number,
  render: (notification: Notification) => string,
): string {
  const text = [...notification.body]
  let rendered = render(notification)
  while (Buffer.byteLength(rendered) > limit_bytes && text.length > 0) {
    text.length = Math.floor(text.length * kept)
    rendered = render({ ...notification, body: `${text.join('')}…` })
  }
  return rendered
}
