/** The business is told of friendships, requests and blocks. */
import { topics } from '../schemas/topics.js'
import { webhookWorker } from './kit/webhooks.js'

export const webhookContacts = webhookWorker('webhook-contacts', topics.contactChanged, (changed) => ({
  kind: 'contact',
  event: topics.contactChanged.name,
  lane: changed.user_id,
  event_id: `contact:${changed.user_id}:${changed.version}`,
  time: changed.time,
  data: changed,
}))
