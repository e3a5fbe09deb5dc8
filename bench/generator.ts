/**
 * The load's own process: what it costs is not the system's, and what delays the system does not delay it.
 * It does what its parent tells it over IPC, one order at a time; see drive.ts.
 */
import { type Audience, openAudience } from './broadcast/audience.js'
import { connectPairs } from './chat-pairs.js'
import type { Order, Outcome } from './drive.js'
import { type Crowd, openCrowd } from './groups/crowd.js'
import { read } from './groups/reading.js'
import { openHops } from './hops.js'
import { type Pacer, paceOver } from './pace.js'
import type { Path } from './path.js'

let opened: { path: Path; pacer: Pacer } | undefined
let crowd: Crowd | undefined
let audience: Audience | undefined

async function runLoop(order: Extract<Order, { do: 'open-loop' | 'closed-loop' }>): Promise<Outcome> {
  if (opened === undefined) throw new Error('No path is open')
  const { path, pacer } = opened
  path.faults() // what happened before belongs to no row
  const figures =
    order.do === 'open-loop'
      ? await pacer.open(order.rate, order.seconds)
      : await pacer.closed(order.inFlight, order.seconds)
  return { done: true, figures, faults: path.faults() }
}

async function runInGroup(order: Extract<Order, { do: 'group-loop' }>): Promise<Outcome> {
  if (crowd === undefined) throw new Error('Nobody is in the group')
  crowd.faults()
  const group = await crowd.run(order.rate, order.seconds, order.giveUp_ms)
  return { done: true, group, faults: crowd.faults() }
}

async function follow(order: Order): Promise<Outcome> {
  switch (order.do) {
    case 'open-chat':
      opened = await paceOver((events) => connectPairs(order.tcp, order.accounts, events))
      break
    case 'open-hops':
      opened = await paceOver((events) => openHops(order.kafka, order.pairs, events))
      break
    case 'open-crowd':
      await crowd?.close()
      crowd = await openCrowd(order)
      break
    case 'group-loop':
      return runInGroup(order)
    case 'open-audience':
      audience = await openAudience(order)
      break
    case 'broadcast':
      if (audience === undefined) throw new Error('Nobody is online')
      return { done: true, broadcast: await audience.broadcast(order) }
    case 'read':
      return { done: true, reading: await read(order) }
    case 'close':
      await Promise.all([opened?.path.close(), crowd?.close(), audience?.close()])
      break
    default:
      return runLoop(order)
  }
  return { done: true }
}

process.on('message', (order: Order) => {
  follow(order).then(
    (outcome) => process.send?.(outcome),
    (error: Error) => process.send?.({ done: false, why: error.message } satisfies Outcome),
  )
})
process.on('disconnect', () => process.exit(0))
