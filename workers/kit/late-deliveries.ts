/**
 * Deliveries that come late: after an outage, in a replay, from the dead letters. Who has read or acked the message
 * does not get it again, and what is older than DELIVERY_MAX_AGE_MS nobody does (spec 3-topics, "Inside").
 */
import type { coffeechat } from '../../proto/index.js'
import { deviceKey } from '../../schemas/ids.js'
import type { CopyKey, DeliveryState, DeliveryStates } from '../ports/messages.js'
import type { AckLookup, PresentDevice } from '../ports/presence.js'

type Requested = coffeechat.event.IDeliveryRequested
type Present = ReadonlyMap<number, readonly PresentDevice[]>

export interface LatePorts {
  readonly states: DeliveryStates
  readonly pending: AckLookup
  /** ms */
  readonly now: () => number
  /** The first check comes that long after a delivery: whatever is older has been looked after once. */
  readonly delays_ms: readonly number[]
  /** Older messages are not delivered. */
  readonly maxAge_ms: number
}

/** What is left to do of one request. */
export interface Left {
  readonly readers: readonly number[]
  /** Devices that have not acked, of the readers and the sender. */
  readonly present: Present
}

/** Requests that came late, each with what is left of it; undefined: nothing, it is too old. None on the usual way. */
export async function leftOfLate(
  requests: readonly Requested[],
  present: Present,
  { states, pending, now, delays_ms, maxAge_ms }: LatePorts,
): Promise<ReadonlyMap<Requested, Left | undefined>> {
  const left = new Map<Requested, Left | undefined>()
  const late = requests.filter(({ stored_time }) => now() - stored_time > (delays_ms[0] ?? 0))
  if (late.length === 0) return left
  const recent = late.filter(({ stored_time }) => now() - stored_time <= maxAge_ms)
  const copies = recent.flatMap((request) =>
    usersOf(request).map((user) => ({ request, key: keyOf(request, user) })),
  )
  const devices = copies.flatMap(({ request, key }) =>
    (present.get(key.reader_user_id) ?? []).map((each) => ({ request, key, each })),
  )
  const [found, { acked }] = await Promise.all([
    states.of(copies.map(({ key }) => key)),
    pending.find(devices.map(({ key, each }) => ({ ...key, device: deviceKey(each.device) }))),
  ])
  const waiting = new Set(
    devices.filter((_, at) => acked[at]).map(({ request, each }) => ackName(request, each)),
  )
  const stateOf = new Map(
    copies.map(({ request, key }, at) => [`${messageName(request)}:${key.reader_user_id}`, found[at]]),
  )
  for (const request of late) left.set(request, undefined)
  for (const request of recent)
    left.set(
      request,
      leftOf(request, present, (user) => stateOf.get(`${messageName(request)}:${user}`), waiting),
    )
  return left
}

function leftOf(
  request: Requested,
  present: Present,
  stateOf: (user: number) => DeliveryState | undefined,
  waiting: ReadonlySet<string>,
): Left {
  const hasAcked = (device: PresentDevice) =>
    waiting.has(ackName(request, device)) ||
    stateOf(device.user_id)?.acked_by.includes(deviceKey(device.device)) === true
  const open = new Map(
    usersOf(request).map((user) => [user, (present.get(user) ?? []).filter((device) => !hasAcked(device))]),
  )
  const readers = (request.reader_user_id ?? []).filter((reader) => {
    const state = stateOf(reader)
    if (state?.read) return false
    const isDelivered = (state?.acked_by.length ?? 0) > 0 || (present.get(reader) ?? []).some(hasAcked)
    return !isDelivered || open.get(reader)!.length > 0
  })
  return { readers, present: open }
}

const usersOf = ({ ref, reader_user_id }: Requested): readonly number[] => [
  ...new Set([...(reader_user_id ?? []), ref.from_user_id]),
]

const messageName = ({ ref }: Requested): string => `${ref.conversation}:${ref.server_msg_id}`

const ackName = (request: Requested, { user_id, device }: PresentDevice): string =>
  `${messageName(request)}:${user_id}:${deviceKey(device)}`

const keyOf = ({ ref }: Requested, reader_user_id: number): CopyKey => ({
  reader_user_id,
  from_user_id: ref.from_user_id,
  msg_id: ref.msg_id,
  conversation: ref.conversation,
  server_msg_id: ref.server_msg_id,
})
