/**
 * Where answers and deliveries of the bus go: a registry of the gate's connections and HTTP requests alike, each
 * under an id of its own. An id is never given twice in the life of a gate.
 */
import type { coffeechat } from '../proto/index.js'

export type OutboundPacket = coffeechat.event.IOutboundPacket
export type Target = coffeechat.event.ITarget

/** What takes packets of the bus: a connection, or an HTTP request that waits for its answer. */
export interface Sink {
  /** Takes one packet. False: it is not for this login, so the packet has missed its reader. */
  deliver(packet: OutboundPacket, target: Target): boolean
}

export interface Targets {
  /** Registers a sink; its id is what an Origin calls connection_id. */
  open(sink: Sink): number
  /** Forgets a sink; packets for it are missed from now on. */
  close(id: number): void
  of(id: number): Sink | undefined
}

export function createTargets(): Targets {
  const sinks = new Map<number, Sink>()
  let lastId = 0
  return {
    open(sink) {
      sinks.set(++lastId, sink)
      return lastId
    },
    close: (id) => void sinks.delete(id),
    of: (id) => sinks.get(id),
  }
}
