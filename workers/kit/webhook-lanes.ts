/**
 * Posts events lane by lane: within one, in order and one after the other; many lanes at once. An event that is not
 * taken waits, and with it all that come after it in its lane, until it was taken or given up.
 */
import type { EventPlace, EventSink, WaitingEvent, WebhookEvent, WebhookQueue } from '../ports/webhooks.js'

export interface WebhookPorts {
  readonly eventSink: EventSink
  readonly webhookQueue: WebhookQueue
  /** Rounds after which an event that is not taken is given up. */
  readonly webhookRetries: number
  /** Age at which an event is given up whose address takes nothing, ms. */
  readonly webhookMaxAge_ms: number
  /** ms */
  now(): number
}

/** An event, and the rounds that it has failed in. */
export interface WebhookItem extends WebhookEvent {
  readonly rounds: number
  /** ms, when it came to its topic. */
  readonly appended: number
  /** It comes from a delay topic: it counts only while it is known to wait. */
  readonly again: boolean
}

export type WebhookOutcome =
  | { readonly kind: 'done' }
  /** To be tried again: with `rounds` failures of its own, at the delay of round `tier`. */
  | { readonly kind: 'waits'; readonly rounds: number; readonly tier: number }
  | { readonly kind: 'given-up'; readonly reason: string }

const lanesAtOnce = 32
/** What is left of a lane after that waits: one with a slow receiver must not hold up those of the next batch. */
const laneTime_ms = 5_000

/** One outcome per item, in order. What waits is noted before this resolves. */
export async function postInLanes(
  items: readonly WebhookItem[],
  ports: WebhookPorts,
): Promise<readonly WebhookOutcome[]> {
  const lanes = grouped([...items.entries()], ([, { lane }]) => lane)
  const waiting = grouped(await ports.webhookQueue.waiting(items), ({ lane }) => lane)
  const outcomes: WebhookOutcome[] = items.map(() => ({ kind: 'done' }))
  const keep: WaitingEvent[] = []
  const drop: EventPlace[] = []
  const rest = lanes.entries()

  const serve = async (): Promise<void> => {
    for (const [lane, places] of rest) {
      const queue = createLane(waiting.get(lane) ?? [])
      const until = ports.now() + laneTime_ms
      for (const [at, item] of places) {
        const outcome = await tryItem(item, queue, ports, until)
        outcomes[at] = outcome
        const { position } = item
        if (outcome.kind === 'waits') {
          queue.add({ lane, position, rounds: outcome.rounds })
          keep.push({ lane, position, rounds: outcome.rounds })
        } else if (queue.has(position)) {
          queue.remove(position)
          drop.push({ lane, position })
        }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(lanesAtOnce, lanes.size) }, serve))
  if (keep.length > 0 || drop.length > 0) await ports.webhookQueue.change(keep, drop)
  return outcomes
}

/** By key, in order. */
function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}

/** What waits in one lane, as this batch goes on. */
function createLane(before: readonly WaitingEvent[]) {
  const waiting = new Map(before.map((each) => [each.position, each]))
  return {
    has: (position: number) => waiting.has(position),
    add: (each: WaitingEvent) => void waiting.set(each.position, each),
    remove: (position: number) => void waiting.delete(position),
    /** The oldest one before this position. */
    ahead: (position: number): WaitingEvent | undefined => {
      let oldest: WaitingEvent | undefined
      for (const each of waiting.values()) if (each.position < (oldest?.position ?? position)) oldest = each
      return oldest
    },
  }
}

/** Whether an event has waited for its address for too long. */
export const isTooOld = ({ appended }: WebhookItem, { webhookMaxAge_ms, now }: WebhookPorts): boolean =>
  now() - appended > webhookMaxAge_ms

async function tryItem(
  item: WebhookItem,
  queue: ReturnType<typeof createLane>,
  ports: WebhookPorts,
  until: number,
): Promise<WebhookOutcome> {
  const { eventSink, webhookRetries, now } = ports
  const { rounds } = item
  // Another copy of it was taken meanwhile. One that had been given up is back from the dead letters.
  const wasGivenUp = rounds >= webhookRetries || isTooOld(item, ports)
  if (item.again && !wasGivenUp && !queue.has(item.position)) return { kind: 'done' }
  const ahead = queue.ahead(item.position)
  if (ahead !== undefined) return { kind: 'waits', rounds, tier: Math.max(1, ahead.rounds) }
  if (now() > until) return { kind: 'waits', rounds, tier: Math.max(1, rounds) }
  const posted = await eventSink.post(item)
  if (posted.outcome === 'taken') return { kind: 'done' }
  // An address that is away says nothing of this event: what counts is for how long.
  const isGivenUp = posted.outcome === 'away' ? isTooOld(item, ports) : rounds >= webhookRetries
  if (isGivenUp) return { kind: 'given-up', reason: `the webhook: ${posted.reason}` }
  return { kind: 'waits', rounds: rounds + 1, tier: rounds + 1 }
}
