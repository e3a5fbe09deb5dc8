/** A notification for tests of the providers. */
import type { Notification } from '../../workers/ports/push.js'

export const notification: Notification = {
  notification_id: '0b7f4c9e-0000-4000-8000-000000000001',
  user_id: 2 ** 48 - 1,
  device: { client_type: 2, device_id: 'my phone' },
  title: 'Ann 👋',
  body: 'hello',
  badge: 3,
  collapse_key: 'c:1:2',
  from_user_id: 2,
  session_id: 2,
  msg_id: 'm-1',
  server_msg_id: 9,
  time: 1_700_000_000_000,
  expires: 1_700_086_400_000,
}
