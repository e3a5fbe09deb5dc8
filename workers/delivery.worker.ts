/**
 * A stored message goes to every online device of its readers and to the sender's other devices; the first
 * check is set, and phones that are known and offline are to be notified (spec 2, single chat 3–5).
 */
import { CIM, coffeechat } from '../proto/index.js'
import { type DeviceName, deviceKey } from '../schemas/ids.js'
import { topics } from '../schemas/topics.js'
import { checkEntries, deliverTo, offlinePhones, triggerPush } from './kit/deliveries.js'
import { type LatePorts, type Left, leftOfLate } from './kit/late-deliveries.js'
import { defineWorker, emit } from './kit/worker.js'
import type { PhoneDirectory, Presence, PresentDevice } from './ports/presence.js'

import event = coffeechat.event

const { kCIM_MESSAGE_FEATURE_DEFAULT, kCIM_MESSAGE_FEATURE_SYNC_MSG } = CIM.Def.CIMMessageFeature

interface Loaded {
  readonly present: ReadonlyMap<number, readonly PresentDevice[]>
  readonly phones: ReadonlyMap<number, readonly DeviceName[]>
  /** Of requests that come late what is left of them. */
  readonly late: ReadonlyMap<event.IDeliveryRequested, Left | undefined>
}

interface Ports extends LatePorts {
  readonly presence: Presence
  readonly phones: PhoneDirectory
}

export const delivery = defineWorker({
  name: 'delivery',
  consumes: topics.deliveryRequested,
  produces: [topics.gateOutbound, topics.deliveryCheck5s, topics.pushTriggered],

  async load(requests, { presence, phones, ...late }: Ports): Promise<Loaded> {
    const readers = new Set<number>()
    const users = new Set<number>()
    for (const { ref, reader_user_id } of requests) {
      users.add(ref.from_user_id)
      for (const reader of reader_user_id ?? []) {
        readers.add(reader)
        users.add(reader)
      }
    }
    const [present, known] = await Promise.all([presence.of([...users]), phones.of([...readers])])
    return { present, phones: known, late: await leftOfLate(requests, present, late) }
  },

  decide(asked, loaded) {
    const left = loaded.late.get(asked)
    if (left === undefined && loaded.late.has(asked)) return []
    const request = left === undefined ? asked : { ...asked, reader_user_id: [...left.readers] }
    const present = left?.present ?? loaded.present
    const readers = request.reader_user_id ?? []
    return [
      ...deliverToReaders(request, present),
      ...firstCheck(request, readers, present),
      ...readers.flatMap((reader) => notifyPhones(request, reader, present, loaded.phones)),
      ...(request.readers_only
        ? []
        : deliverToSiblings(request, present.get(request.ref.from_user_id) ?? [])),
    ]
  },
})

/** One packet per gate, however many of the readers are there. */
const deliverToReaders = (request: event.IDeliveryRequested, present: Loaded['present']) =>
  deliverTo(
    (request.reader_user_id ?? []).flatMap((reader) => present.get(reader) ?? []),
    request,
    kCIM_MESSAGE_FEATURE_DEFAULT,
  )

/** Of all readers together, those too who are away: they may be back by then. */
function firstCheck(
  request: event.IDeliveryRequested,
  readers: readonly number[],
  present: Loaded['present'],
) {
  const entry = checkEntries(
    { ref: request.ref, first_time: request.stored_time, msg_type: request.msg_type ?? 0 },
    readers.map((user_id) => ({
      user_id,
      sent_to: (present.get(user_id) ?? []).map(({ device }) => device),
    })),
  )
  return entry.length === 0 ? [] : [emit(topics.deliveryCheck5s, { attempt: 1, entry })]
}

/** Of one reader those that are known and not connected. */
const notifyPhones = (
  { ref, stored_time, msg_type }: event.IDeliveryRequested,
  reader: number,
  present: Loaded['present'],
  phones: Loaded['phones'],
) =>
  offlinePhones(phones.get(reader) ?? [], present.get(reader) ?? []).flatMap((phone) =>
    triggerPush(reader, phone, ref, event.PushReason.PUSH_REASON_OFFLINE, stored_time, msg_type),
  )

/** The sender's devices but the one that wrote it. */
function deliverToSiblings(request: event.IDeliveryRequested, devices: readonly PresentDevice[]) {
  const { ref, origin, stored_time, msg_type } = request
  const writer = deviceKey(origin.device)
  const siblings = devices.filter(({ device }) => deviceKey(device) !== writer)
  if (siblings.length === 0) return []
  const message = { ref, first_time: stored_time, msg_type: msg_type ?? 0, sender_device: origin.device }
  const sent_to = siblings.map(({ device }) => device)
  return [
    ...deliverTo(siblings, request, kCIM_MESSAGE_FEATURE_SYNC_MSG),
    emit(topics.deliveryCheck5s, {
      attempt: 1,
      entry: checkEntries(message, [{ user_id: ref.from_user_id, sent_to }]),
    }),
  ]
}
