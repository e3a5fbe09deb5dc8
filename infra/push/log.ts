/** The default provider: a line in the log for each notification, with ids and never what was written. */
import type { Logger } from '../../schemas/log.js'
import type { PushProvider } from '../../workers/ports/push.js'

/** Works for devices without a token too: nothing leaves the machine. */
export const createLogProvider = (log: Logger): PushProvider => ({
  name: 'log',
  needsToken: false,
  async send({ notification_id, user_id, device, badge, from_user_id, session_id, msg_id, server_msg_id }) {
    log.info(
      { notification_id, user_id, device, badge, from_user_id, session_id, msg_id, server_msg_id },
      'push notification',
    )
    return { kind: 'accepted', answer: 'logged' }
  },
})
