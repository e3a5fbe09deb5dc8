/** The business is told what was delivered and read. */
import { topics } from '../schemas/topics.js'
import { webhookWorker } from './kit/webhooks.js'

export const webhookReceipts = webhookWorker('webhook-receipts', topics.receiptChanged, (changed) => ({
  kind: 'receipt',
  event: topics.receiptChanged.name,
  lane: changed.conversation,
  time: changed.time,
  data: changed,
}))
