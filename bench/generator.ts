/**
 * The load's own process: what it costs is not the system's, and what delays the system does not delay it.
 * It does what its parent tells it over IPC, one order at a time; see drive.ts.
 */
import { connectPairs } from './chat-pairs.js'
import type { Order, Outcome } from './drive.js'
import { openHops } from './hops.js'
import { type Pacer, paceOver } from './pace.js'
import type { Path, PathEvents } from './path.js'

let opened: { path: Path; pacer: Pacer } | undefined

async function follow(order: Order): Promise<Outcome> {
  if (order.do === 'open-chat' || order.do === 'open-hops') {
    opened = await paceOver((events: PathEvents) =>
      order.do === 'open-chat'
        ? connectPairs(order.tcp, order.accounts, events)
        : openHops(order.kafka, order.pairs, events),
    )
    return { done: true }
  }
  if (opened === undefined) throw new Error('No path is open')
  const { path, pacer } = opened
  if (order.do === 'close') {
    await path.close()
    return { done: true }
  }
  path.faults() // what happened before belongs to no row
  const figures =
    order.do === 'open-loop'
      ? await pacer.open(order.rate, order.seconds)
      : await pacer.closed(order.inFlight, order.seconds)
  return { done: true, figures, faults: path.faults() }
}

process.on('message', (order: Order) => {
  follow(order).then(
    (outcome) => process.send?.(outcome),
    (error: Error) => process.send?.({ done: false, why: error.message } satisfies Outcome),
  )
})
process.on('disconnect', () => process.exit(0))
