/** The parent's side of the generator: starts its process and gives it orders. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { Register } from '../infra/local/register.js'
import type { AudienceOrder, BroadcastFigures, BroadcastOrder } from './broadcast/audience.js'
import type { CrowdOrder } from './groups/crowd.js'
import type { GroupFigures } from './groups/journal.js'
import type { ReadingFigures, ReadingOrder } from './groups/reading.js'
import type { Figures } from './journal.js'
import type { Account } from './wire.js'

export type Order =
  | { do: 'open-chat'; tcp: string; accounts: readonly Account[] }
  | { do: 'open-hops'; kafka: string; pairs: number }
  | { do: 'open-loop'; rate: number; seconds: number }
  | { do: 'closed-loop'; inFlight: number; seconds: number }
  | ({ do: 'open-crowd' } & CrowdOrder)
  | { do: 'group-loop'; rate: number; seconds: number; giveUp_ms: number }
  | ({ do: 'read' } & ReadingOrder)
  | ({ do: 'open-audience' } & AudienceOrder)
  | ({ do: 'broadcast' } & BroadcastOrder)
  | { do: 'close' }

export type Outcome =
  | {
      done: true
      figures?: Figures
      group?: GroupFigures
      reading?: ReadingFigures
      broadcast?: BroadcastFigures
      faults?: readonly string[]
    }
  | { done: false; why: string }

/** What one run gave. */
export interface Measured<Result = Figures> {
  readonly figures: Result
  /** What happened beside the messages, such as a closed connection. */
  readonly faults: readonly string[]
}

export interface Generator {
  readonly pid: number
  /** Opens the way that the messages take. @throws when it cannot be opened, say a refused login */
  open(
    order: Extract<Order, { do: 'open-chat' | 'open-hops' | 'open-crowd' | 'open-audience' }>,
  ): Promise<void>
  /** Runs one load to its end. */
  measure(order: Extract<Order, { do: 'open-loop' | 'closed-loop' }>): Promise<Measured>
  measureGroup(order: Extract<Order, { do: 'group-loop' }>): Promise<Measured<GroupFigures>>
  /** Needs nothing open. */
  read(order: Extract<Order, { do: 'read' }>): Promise<ReadingFigures>
  /** To everyone whom `open` logged in. */
  broadcast(order: Extract<Order, { do: 'broadcast' }>): Promise<BroadcastFigures>
  /** Closes the connections and ends the process. */
  close(): Promise<void>
}

const mostMemory_mib = 2_048

/** Starts a generator; it ends with the register at the latest. */
export function startGenerator(root: string, register: Register): Generator {
  const child = fork(join(root, 'dist', 'bench', 'generator.js'), [], {
    detached: true,
    execArgv: ['--enable-source-maps', '--max-semi-space-size=64', `--max-old-space-size=${mostMemory_mib}`],
  })
  register.add(child, { name: 'generator', rank: 'ours', signal: 'SIGTERM' })
  const ended = new Promise<never>((_, reject) =>
    child.once('exit', (code, signal) => reject(new Error(`The generator ended (${signal ?? code})`))),
  )
  ended.catch(() => {})

  async function give(order: Order): Promise<Extract<Outcome, { done: true }>> {
    const answer = new Promise<Outcome>((resolve) => child.once('message', resolve))
    child.send(order)
    const outcome = await Promise.race([answer, ended])
    if (!outcome.done) throw new Error(outcome.why)
    return outcome
  }
  return {
    pid: child.pid ?? 0,
    async open(order) {
      await give(order)
    },
    async measure(order) {
      const { figures, faults = [] } = await give(order)
      if (figures === undefined) throw new Error('The generator gave no figures')
      return { figures, faults }
    },
    async measureGroup(order) {
      const { group, faults = [] } = await give(order)
      if (group === undefined) throw new Error('The generator gave no figures')
      return { figures: group, faults }
    },
    async read(order) {
      const { reading } = await give(order)
      if (reading === undefined) throw new Error('The generator gave no figures')
      return reading
    },
    async broadcast(order) {
      const { broadcast } = await give(order)
      if (broadcast === undefined) throw new Error('The generator gave no figures')
      return broadcast
    },
    async close() {
      await give({ do: 'close' })
      child.disconnect()
      await ended.catch(() => {})
    },
  }
}
