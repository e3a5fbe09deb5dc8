/** Events posted to the business, one by one, signed. What answers 2xx has taken one. */
import type { Logger } from '../../schemas/log.js'
import type { Tracer } from '../../schemas/tracer.js'
import type { EventSink, WebhookEvent } from '../../workers/ports/webhooks.js'
import { reasonOf } from '../http-posts.js'
import { signedPost } from '../signed-post.js'

export interface EventSinkSettings {
  /** Where events of a kind are posted; undefined: nobody is told of them. */
  readonly addressFor: (kind: string) => string | undefined
  readonly secret: string | undefined
  readonly timeout_ms: number
  readonly log: Logger
  readonly tracer?: Tracer
  /** Gets what became of each post with the time that it took, ms. */
  readonly observe?: (
    kind: string,
    outcome: 'taken' | 'not-taken' | 'not-called',
    duration_ms: number,
  ) => void
  /** After so many failures in a row an address is away: nothing is posted but one event from time to time. */
  readonly failuresBeforeRest?: number
  /** Until the first of those, and the longest between two, ms. Twice as long after each. */
  readonly rest_ms?: { readonly first: number; readonly most: number }
}

/** How an address fares. */
interface Health {
  failures: number
  rest_ms: number
  restsUntil: number
  /** One event is under way, to see whether it is back. */
  isTried: boolean
}

const whyNot = 'not called: its address takes nothing at present'

/** The addresses, each with a breaker of its own: a dead one does not keep us from the others. */
function createBreakers(failuresBeforeRest: number, rest_ms: { first: number; most: number }) {
  const addresses = new Map<string, Health>()
  const healthOf = (url: string): Health => {
    const known = addresses.get(url) ?? { failures: 0, rest_ms: 0, restsUntil: 0, isTried: false }
    addresses.set(url, known)
    return known
  }
  const isOpen = ({ failures }: Health) => failures >= failuresBeforeRest
  const isAway = (health: Health) => isOpen(health) && (health.isTried || Date.now() < health.restsUntil)

  return {
    isAway: (url: string) => isAway(healthOf(url)),

    /** Undefined while nothing may be posted there; else how to say what became of it: whether it is the first failure. */
    begin(url: string): ((isTaken: boolean) => 'first-failure' | undefined) | undefined {
      const health = healthOf(url)
      if (isAway(health)) return undefined
      const isTry = isOpen(health)
      health.isTried = isTry
      return (isTaken) => {
        if (isTry) health.isTried = false
        health.failures = isTaken ? 0 : health.failures + 1
        if (isOpen(health)) {
          health.rest_ms = isTry ? Math.min(health.rest_ms * 2, rest_ms.most) : rest_ms.first
          health.restsUntil = Date.now() + health.rest_ms
        }
        return health.failures === 1 ? 'first-failure' : undefined
      }
    },
  }
}

/** Posts to these addresses. */
export function createEventSink(settings: EventSinkSettings): EventSink {
  const { addressFor, secret, timeout_ms, log, tracer, observe } = settings
  const { failuresBeforeRest = 10, rest_ms = { first: 5_000, most: 60_000 } } = settings
  const breakers = createBreakers(failuresBeforeRest, rest_ms)

  /** Why it was not taken; undefined where it was. */
  async function attempt(url: string, { event_id, body, trace }: WebhookEvent): Promise<string | undefined> {
    try {
      const asked = { url, body, idempotency_key: event_id, secret, timeout_ms, trace, tracer }
      const response = await signedPost(asked)
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
      if (url === undefined) return { outcome: 'taken' }
      const ended = breakers.begin(url)
      if (ended === undefined) {
        observe?.(kind, 'not-called', 0)
        return { outcome: 'away', reason: whyNot }
      }
      const started = performance.now()
      const reason = await attempt(url, event)
      const outcome = reason === undefined ? 'taken' : 'not-taken'
      observe?.(kind, outcome, performance.now() - started)
      if (ended(reason === undefined) === 'first-failure')
        log.warn({ reason, kind }, 'a webhook for events does not take one')
      return reason === undefined ? { outcome: 'taken' } : { outcome: 'not-taken', reason }
    },

    isAway(kind) {
      const url = addressFor(kind)
      return url !== undefined && breakers.isAway(url)
    },
  }
}
