/** Events posted to the business, one by one, signed. What answers 2xx has taken one. */
import type { Logger } from '../../schemas/log.js'
import type { EventSink, WebhookEvent } from '../../workers/ports/webhooks.js'
import { reasonOf } from '../http-posts.js'
import { signedPost } from '../signed-post.js'

export interface EventSinkSettings {
  /** Where events of a kind are posted; undefined: nobody is told of them. */
  readonly addressFor: (kind: string) => string | undefined
  readonly secret: string | undefined
  readonly timeout_ms: number
  readonly log: Logger
  /** Gets what became of each post with the time that it took, ms. */
  readonly observe?: (
    kind: string,
    outcome: 'taken' | 'not-taken' | 'not-called',
    duration_ms: number,
  ) => void
  /** After so many failures in a row nothing is posted for `rest_ms`. */
  readonly failuresBeforeRest?: number
  readonly rest_ms?: number
}

/** Posts to these addresses. */
export function createEventSink(settings: EventSinkSettings): EventSink {
  const { addressFor, secret, timeout_ms, log, observe, failuresBeforeRest = 32, rest_ms = 5_000 } = settings
  /** How each address fares: a dead one does not keep us from the others. */
  const health = new Map<string, { failures: number; restsUntil: number }>()

  /** Why it was not taken; undefined where it was. */
  async function attempt(url: string, { event_id, body, trace }: WebhookEvent): Promise<string | undefined> {
    try {
      const response = await signedPost({ url, body, idempotency_key: event_id, secret, timeout_ms, trace })
      await response.body?.cancel()
      return response.status >= 200 && response.status <= 299 ? undefined : `HTTP ${response.status}`
    } catch (error) {
      return reasonOf(error)
    }
  }

  return {
    async post(event) {
      const { kind } = event
      const url = addressFor(kind)
      if (url === undefined) return undefined
      const state = health.get(url) ?? { failures: 0, restsUntil: 0 }
      health.set(url, state)
      if (Date.now() < state.restsUntil) {
        observe?.(kind, 'not-called', 0)
        return 'not called: it failed a moment ago'
      }
      const started = performance.now()
      const reason = await attempt(url, event)
      observe?.(kind, reason === undefined ? 'taken' : 'not-taken', performance.now() - started)
      state.failures = reason === undefined ? 0 : state.failures + 1
      if (state.failures === 1) log.warn({ reason, kind }, 'a webhook for events does not take one')
      if (state.failures >= failuresBeforeRest) state.restsUntil = Date.now() + rest_ms
      return reason
    },
  }
}
