/**
 * Pushes to everyone online (spec 3): one record per gate, and the gate writes to its connections slice by slice, so
 * that others are served in between. One broadcast after the other.
 */
import type { coffeechat } from '../proto/index.js'
import type { Connection } from './connection.js'
import type { LeaseKeeper } from './lease.js'
import type { OutboundPacket } from './targets.js'

export interface Broadcasts {
  /** Begins to write it, after those before it. The same push again, as after a worker's crash, is not written again. */
  take(packet: OutboundPacket, broadcast: coffeechat.event.IBroadcast): void
  /** What is not written yet is not written any more: the first check of the push finds its receivers. */
  stop(): void
}

interface BroadcastOptions {
  readonly connections: () => Iterable<Connection>
  readonly write: (connection: Connection, packet: OutboundPacket) => void
  readonly lease: Pick<LeaseKeeper, 'isSuspended' | 'isFenced' | 'whenHeld'>
  /** Connections a second. */
  readonly rate: number
  /** Time of day, ms. */
  readonly now: () => number
  /** Resolves after so many ms, and after whatever else the process had to do. */
  readonly pause: (ms: number) => Promise<void>
}

const slice_ms = 10
const held_ms = 250
/** Pushes that are known to have been here. */
const remembered = 1_000

/** Nothing is written yet. */
export function createBroadcasts(options: BroadcastOptions): Broadcasts {
  const { connections, write, lease, rate, now, pause } = options
  const perSlice = Math.max(1, Math.round((rate * slice_ms) / 1_000))
  const known = new Set<string>()
  let before: Promise<void> = Promise.resolve()
  let isStopped = false

  /** False: this gate is to write nothing more. */
  async function mayWrite(): Promise<boolean> {
    while (lease.isSuspended() && !lease.isFenced() && !isStopped) await lease.whenHeld(held_ms)
    return !isStopped && !lease.isFenced()
  }

  async function writeAll(packet: OutboundPacket, { online_by, expires }: coffeechat.event.IBroadcast) {
    const meant = [...connections()].filter(({ state, since }) => state === 'online' && since <= online_by)
    for (let at = 0; at < meant.length; at += perSlice) {
      if (at > 0) await pause(slice_ms)
      if (!(await mayWrite()) || now() >= expires) return
      // Who left meanwhile is treated as offline by the checks of the push.
      for (const connection of meant.slice(at, at + perSlice))
        if (connection.state === 'online') write(connection, packet)
    }
  }

  return {
    take(packet, broadcast) {
      const { push_id } = packet
      if (!push_id || known.has(push_id)) return
      known.add(push_id)
      for (const oldest of known.size > remembered ? known : []) {
        known.delete(oldest)
        break
      }
      before = before.then(() => writeAll(packet, broadcast))
    },
    stop() {
      isStopped = true
    },
  }
}
