/** Workers that tell the business over HTTP what lies on a topic, and try again what was not taken. */
import type { coffeechat } from '../../proto/index.js'
import { Postponed } from '../../schemas/bus.js'
import { type AnyTopic, type EventOf, type Topic, topics } from '../../schemas/topics.js'
import type { WebhookKind } from '../../schemas/webhook-settings.js'
import type { WebhookEvent } from '../ports/webhooks.js'
import { passOn } from './pass-on.js'
import {
  isTooOld,
  postInLanes,
  type WebhookItem,
  type WebhookOutcome,
  type WebhookPorts,
} from './webhook-lanes.js'
import { defineWorker, type EmitOf, type Place, save } from './worker.js'

type Retry = coffeechat.event.IWebhookRetry
type RetryTopic =
  | typeof topics.webhookRetry10s
  | typeof topics.webhookRetry60s
  | typeof topics.webhookRetry600s

const retryTopics: readonly RetryTopic[] = [
  topics.webhookRetry10s,
  topics.webhookRetry60s,
  topics.webhookRetry600s,
]
/** Their outcomes are noted before the next ones are tried. */
const eventsAtOnce = 200

/** With the event that it was read from, where it was tried before. */
interface RetriedItem extends WebhookItem {
  readonly event?: Retry
}

/** What happened, as the business reads it. */
export interface Happening {
  readonly kind: WebhookKind
  readonly event: string
  /** Among events with the same one order is kept. */
  readonly lane: string
  /** Names what happened where its place on the bus does not: a message may lie there twice. */
  readonly event_id?: string
  /** ms */
  readonly time: number
  readonly data: unknown
}

/**
 * A worker that posts what lies on a topic.
 * @param describe pure
 */
export function webhookWorker<T extends AnyTopic>(
  name: string,
  consumes: T,
  describe: (event: EventOf<T>) => Happening,
) {
  return defineWorker({
    name,
    consumes: consumes as Topic<string, unknown>,
    produces: retryTopics,
    eventsAtOnce,
    postpones: true,
    decide: (event, _: undefined, place: Place) => [
      save(itemOf(consumes, describe(event as EventOf<T>), place)),
    ],
    save: (rows: readonly WebhookItem[], ports: WebhookPorts) =>
      rows.some(({ kind }) => ports.eventSink.isAway(kind))
        ? heldBack(rows, ports)
        : postInLanes(rows, ports),
    saved,
    givenUp,
  })
}

/**
 * While their address takes nothing, events stay where they are, on their topic: that costs nothing, keeps their order,
 * and holds up no other address. They are given up by age.
 * @throws Postponed while one of them is young enough
 */
async function heldBack(rows: readonly WebhookItem[], ports: WebhookPorts): Promise<WebhookOutcome[]> {
  if (!rows.every((row) => isTooOld(row, ports))) throw new Postponed('the webhook takes nothing at present')
  return rows.map(() => ({ kind: 'given-up', reason: 'the webhook: its address took nothing for too long' }))
}

/** A worker that tries again what one of the delay topics hands over. */
export const webhookRetryWorker = (name: string, consumes: RetryTopic) =>
  defineWorker({
    name,
    consumes: consumes as Topic<string, Retry>,
    produces: retryTopics,
    eventsAtOnce,
    decide(event: Retry, _: undefined, place: Place) {
      const { event_id, kind, lane, position, body, rounds } = event
      const appended = event.appended ?? place.appended
      const { trace } = place
      return [
        save<RetriedItem>({
          event_id,
          kind,
          lane,
          position,
          body,
          rounds,
          appended,
          again: true,
          trace,
          event,
        }),
      ]
    },
    save: (rows: readonly WebhookItem[], ports: WebhookPorts) => postInLanes(rows, ports),
    saved,
    givenUp,
  })

function itemOf(
  { name }: AnyTopic,
  { kind, event, lane, event_id, time, data }: Happening,
  place: Place,
): WebhookItem {
  const id = event_id ?? `${event}:${place.partition}:${place.offset}`
  const told: WebhookEvent = {
    event_id: id,
    kind,
    lane: `${name}|${lane}`,
    position: place.offset,
    body: JSON.stringify({ event_id: id, event, time, data }),
    trace: place.trace,
  }
  return { ...told, rounds: 0, appended: place.appended, again: false }
}

const givenUp = (_: WebhookItem, outcome: WebhookOutcome): string | undefined =>
  outcome.kind === 'given-up' ? outcome.reason : undefined

function saved(
  { event_id, kind, lane, position, body, appended, event }: RetriedItem,
  outcome: WebhookOutcome,
): EmitOf<RetryTopic>[] {
  if (outcome.kind !== 'waits') return []
  const topic = retryTopics[Math.min(outcome.tier, retryTopics.length) - 1]!
  // Not by emit(): the topic is one of three, with the same payload.
  const again = { event_id, kind, lane, position, body, appended, rounds: outcome.rounds }
  return [
    { kind: 'emit', topic, event: event === undefined ? again : passOn(event, again) } as EmitOf<RetryTopic>,
  ]
}
