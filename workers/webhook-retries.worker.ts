/** What the business did not take is tried again after ten seconds, a minute, and every ten minutes. */
import { topics } from '../schemas/topics.js'
import { webhookRetryWorker } from './kit/webhooks.js'

export const webhookRetries10s = webhookRetryWorker('webhook-retries-10s', topics.webhookRetry10s)
export const webhookRetries60s = webhookRetryWorker('webhook-retries-60s', topics.webhookRetry60s)
export const webhookRetries600s = webhookRetryWorker('webhook-retries-600s', topics.webhookRetry600s)
