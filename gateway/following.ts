/**
 * How old messages are when they are written, and how long devices take to ack them. Looking at each would cost more
 * than it tells: one message of each batch is looked at, and one at a time is followed to its ack.
 */
import type { Metrics } from '../schemas/metrics.js'
import { commands } from '../schemas/packets.js'
import type { OutboundPacket, Target } from './targets.js'

export interface Following {
  /** A packet was written; the first message of a batch is taken. */
  written(packet: OutboundPacket, target: Target): void
  /** The batch is over; `appended` (ms, wall clock) is when its oldest record came to the gate's topic. */
  batchEnded(appended: number): void
  /** A device acked a message. */
  acked(connection_id: number, msg_id: string): void
}

/** A device that has not acked by then is not waited for. */
const patience_ms = 60_000

/** @param now ms, monotonic */
export function createFollowing(metrics: Metrics, now: () => number): Following {
  let taken = false
  let followed: { connection_id: number; msg_id: string; since: number } | undefined

  const since = (time: number): number => Math.max(0, Date.now() - time)

  return {
    written({ ref, body }, { connection_id }) {
      if (taken || !ref) return
      taken = true
      const { create_time, msg_feature } = commands.MSG_DATA.type.decode(body)
      // Delivered again: its age says how long the device was away.
      if (msg_feature) return
      metrics.observe('delivery_age_ms', since(Number(create_time)))
      if (followed === undefined || now() - followed.since > patience_ms)
        followed = { connection_id, msg_id: ref.msg_id, since: now() }
    },
    batchEnded(appended) {
      taken = false
      metrics.observe('outbound_age_ms', since(appended))
    },
    acked(connection_id, msg_id) {
      if (followed?.connection_id !== connection_id || followed.msg_id !== msg_id) return
      metrics.observe('ack_delay_ms', now() - followed.since)
      followed = undefined
    },
  }
}
