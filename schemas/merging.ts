/** How several events of one batch become one: see `merge` in the catalogue of topics. */
import type { coffeechat } from '../proto/index.js'

type Outbound = coffeechat.event.IOutbound
type OutboundPacket = coffeechat.event.IOutboundPacket
type DeliveryCheck = coffeechat.event.IDeliveryCheck
type CheckEntry = coffeechat.event.ICheckEntry

const maxOutboundBytes = 512 * 1024

/** Names the message that a packet delivers, with the copy's kind, which is the end of its body; none: undefined. */
const deliveryName = ({ ref, body }: OutboundPacket): string | undefined =>
  ref ? `${ref.from_user_id} ${ref.msg_id} ${Buffer.from(body.subarray(-3)).toString('hex')}` : undefined

/**
 * Packets for one gate share records, in order, up to half a MiB each. A message whose readers came in several parts
 * is in a record once, with all of them: the later parts move up to the first, so a reader's messages keep their order.
 */
export function mergeOutbound(events: readonly Outbound[]): Outbound[] {
  const merged: Outbound[] = []
  let packets: OutboundPacket[] = []
  let delivered = new Map<string, OutboundPacket>()
  let size_bytes = 0
  for (const packet of events.flatMap((each) => each.packet ?? [])) {
    const name = deliveryName(packet)
    const first = name === undefined ? undefined : delivered.get(name)
    const bytes = (first ? 0 : packet.body.length) + 64 * (packet.target?.length ?? 0)
    if (packets.length > 0 && size_bytes + bytes > maxOutboundBytes) {
      merged.push({ packet: packets })
      packets = []
      delivered = new Map()
      size_bytes = 0
    }
    size_bytes += bytes
    if (first && packets.length > 0) {
      first.target = [...(first.target ?? []), ...(packet.target ?? [])]
      continue
    }
    const copy = { ...packet }
    packets.push(copy)
    if (name !== undefined) delivered.set(name, copy)
  }
  if (packets.length > 0) merged.push({ packet: packets })
  return merged
}

/** Of entries; ten readers of one that has several count as one more. */
const checksPerRecord = 1_000

/** One check record covers what one delivery batch sent (spec 2, single chat 5). */
export function mergeChecks(events: readonly DeliveryCheck[]): DeliveryCheck[] {
  const merged: DeliveryCheck[] = []
  for (const attempt of new Set(events.map((each) => each.attempt))) {
    const entries = events.filter((each) => each.attempt === attempt).flatMap((each) => each.entry ?? [])
    let share: CheckEntry[] = []
    let size = 0
    for (const entry of entries) {
      if (size >= checksPerRecord) {
        merged.push({ attempt, entry: share })
        share = []
        size = 0
      }
      share.push(entry)
      size += 1 + (entry.reader?.length ?? 0) / 10
    }
    if (share.length > 0) merged.push({ attempt, entry: share })
  }
  return merged
}
