/**
 * A stored message goes to every online device of its readers and to the sender's other devices; the first
 * check is set, and phones that are known and offline are to be notified (spec 2, single chat 3–5).
 */
import { CIM, coffeechat } from '../proto/index.js'
import { type DeviceName, deviceKey } from '../schemas/ids.js'
import { topics } from '../schemas/topics.js'
import { deliverTo, offlinePhones, triggerPush } from './kit/deliveries.js'
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
    return [
      ...deliverToReaders(request, present),
      ...(request.reader_user_id ?? []).flatMap((reader) =>
        followUp(request, reader, present.get(reader) ?? [], loaded.phones.get(reader) ?? []),
      ),
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
    request.ref,
    request.body,
    kCIM_MESSAGE_FEATURE_DEFAULT,
  )

/** What is due when one reader's devices have been written to. */
function followUp(
  request: event.IDeliveryRequested,
  reader: number,
  devices: readonly PresentDevice[],
  phones: readonly DeviceName[],
) {
  return [
    firstCheck(request, reader, devices),
    ...offlinePhones(phones, devices).map((phone) =>
      triggerPush(
        reader,
        phone,
        request.ref,
        event.PushReason.PUSH_REASON_OFFLINE,
        request.stored_time,
        request.msg_type,
      ),
    ),
  ]
}

/** The sender's devices but the one that wrote it. */
function deliverToSiblings(request: event.IDeliveryRequested, devices: readonly PresentDevice[]) {
  const writer = deviceKey(request.origin.device)
  const siblings = devices.filter(({ device }) => deviceKey(device) !== writer)
  if (siblings.length === 0) return []
  return [
    ...deliverTo(siblings, request.ref, request.body, kCIM_MESSAGE_FEATURE_SYNC_MSG),
    firstCheck(request, request.ref.from_user_id, siblings),
  ]
}

const firstCheck = (request: event.IDeliveryRequested, reader: number, devices: readonly PresentDevice[]) =>
  emit(topics.deliveryCheck5s, {
    attempt: 1,
    entry: [
      {
        ref: request.ref,
        reader_user_id: reader,
        sent_to: devices.map(({ device }) => device),
        first_time: request.stored_time,
        msg_type: request.msg_type ?? 0,
        ...(reader === request.ref.from_user_id ? { sender_device: request.origin.device } : {}),
      },
    ],
  })
