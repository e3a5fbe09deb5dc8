/** The default provider: a line in the log for each notification, with ids and never what was written. */
import type { Logger } from '../../schemas/log.js'
import { traceIdOf } from '../../schemas/tracing.js'
import type { PushProvider } from '../../workers/ports/push.js'

/** Works for devices without a token too: nothing leaves the machine. */
export const createLogProvider = (log: Logger): PushProvider => ({
  name: 'log',
  needsToken: false,
  async send(notification) {
    const { notification_id, user_id, device, badge, from_user_id, session_id, msg_id, trace } = notification
    const { server_msg_id } = notification
    const ids = { notification_id, user_id, device, badge, from_user_id, session_id, msg_id, server_msg_id }
    log.info(trace === undefined ? ids : { ...ids, trace_id: traceIdOf(trace) }, 'push notification')
    return { kind: 'accepted', answer: 'logged' }
  },
})
