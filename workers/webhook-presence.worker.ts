/** The business is told who came online and went. */
import { topics } from '../schemas/topics.js'
import { webhookWorker } from './kit/webhooks.js'

export const webhookPresence = webhookWorker('webhook-presence', topics.presenceChanged, (changed) => ({
  kind: 'presence',
  event: topics.presenceChanged.name,
  lane: changed.user_id,
  time: changed.time,
  data: changed,
}))
