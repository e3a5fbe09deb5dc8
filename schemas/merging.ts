/** Several events of one batch that go to the same place become one: a record costs more than what is in it. */
import { coffeechat } from '../proto/index.js'

import event = coffeechat.event

const maxOutboundBytes = 512 * 1024

/** Packets for one gate share records, in order, up to half a MiB each. */
export function mergeOutbound(events: readonly event.IOutbound[]): event.IOutbound[] {
  const merged: event.IOutbound[] = []
  let packets: event.IOutboundPacket[] = []
  let size_bytes = 0
  for (const packet of events.flatMap((each) => each.packet ?? [])) {
    const bytes = packet.body.length + 64 * (packet.target?.length ?? 0)
    if (packets.length > 0 && size_bytes + bytes > maxOutboundBytes) {
      merged.push({ packet: packets })
      packets = []
      size_bytes = 0
    }
    packets.push(packet)
    size_bytes += bytes
  }
  if (packets.length > 0) merged.push({ packet: packets })
  return merged
}

const checksPerRecord = 1_000

/** One check record covers what one delivery batch sent (spec 2, single chat 5). */
export function mergeChecks(events: readonly event.IDeliveryCheck[]): event.IDeliveryCheck[] {
  const merged: event.IDeliveryCheck[] = []
  for (const attempt of new Set(events.map((each) => each.attempt))) {
    const entries = events.filter((each) => each.attempt === attempt).flatMap((each) => each.entry ?? [])
    for (let at = 0; at < entries.length; at += checksPerRecord)
      merged.push({ attempt, entry: entries.slice(at, at + checksPerRecord) })
  }
  return merged
}
