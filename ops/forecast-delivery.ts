/** What the delivery worker would do with events that it had before: its own reading and deciding, without publishing. */
import type { coffeechat } from '../proto/index.js'
import { topics } from '../schemas/topics.js'
import type { Forecaster } from './replay.js'
import { plural } from './report.js'

/** What is needed of a worker to hear what it would do. */
export interface Decider {
  load(events: readonly unknown[]): Promise<unknown>
  decide(
    event: unknown,
    loaded: unknown,
    appended: number,
  ): readonly { kind: string; topic?: { name: string }; event?: unknown }[]
}

const eventsAtOnce = 1_000

/** Asks `delivery` about each event; presence, acks and reads are those of this moment. */
export function forecastDelivery({ load, decide }: Decider): Forecaster {
  const total = { packets: 0, pushes: 0, checks: 0, skipped: 0 }
  return {
    async add(events, places) {
      for (let at = 0; at < events.length; at += eventsAtOnce) {
        const some = events.slice(at, at + eventsAtOnce)
        const loaded = await load(some)
        for (const [index, event] of some.entries()) {
          const outcomes = decide(event, loaded, places[at + index]?.appended ?? 0)
          if (outcomes.length === 0) total.skipped += 1
          for (const outcome of outcomes) {
            if (outcome.topic === topics.gateOutbound)
              total.packets += targetsOf(outcome.event as coffeechat.event.IOutbound)
            else if (outcome.topic === topics.pushTriggered) total.pushes += 1
            else if (outcome.kind === 'emit') total.checks += 1
          }
        }
      }
    },
    result: () => ({
      deliver: total.packets + total.pushes,
      skipped: total.skipped,
      text: [
        `It would deliver ${plural(total.packets, 'copy').replace('copys', 'copies')} to devices that are online, and trigger ${plural(total.pushes, 'notification')} for phones that are not;`,
        `${plural(total.checks, 'reader')} would be looked after once more in the delivery checks.`,
        `Of ${plural(total.skipped, 'message')} nothing would go out: too old, read, or acked by every device.`,
        'A phone that was notified of a message is not notified of it again.',
      ],
    }),
  }
}

const targetsOf = ({ packet }: coffeechat.event.IOutbound): number =>
  (packet ?? []).reduce((sum, { target }) => sum + (target?.length ?? 0), 0)
