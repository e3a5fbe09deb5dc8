/** What delivery and its checks share: writing one message to devices, and triggering a notification. */
import { CIM, coffeechat } from '../../proto/index.js'
import { type DeviceName, deviceKey } from '../../schemas/ids.js'
import { commands } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import type { MessageForReader } from '../ports/messages.js'
import type { PresentDevice } from '../ports/presence.js'
import { targetsByGate } from './notify.js'
import { type EmitOf, emit } from './worker.js'

import event = coffeechat.event

const { kCIM_MSG_TYPE_NOTIFICATION } = CIM.Def.CIMMsgType

/** The bytes of `msg_feature` (field 25, varint), the last field of IMMsgData: appended, not encoded anew. */
const featureField = (feature: CIM.Def.CIMMessageFeature): Buffer => Buffer.from([0xc8, 0x01, feature])

/** A message as it is delivered: `body` is an IMMsgData without msg_feature. */
export interface Deliverable {
  readonly ref: event.IMessageRef
  readonly body: Uint8Array
  readonly msg_type?: number | null | undefined
}

/** One record per gate, holding the packet once and the list of its readers' logins. */
export function deliverTo(
  devices: readonly PresentDevice[],
  { ref, body, msg_type }: Deliverable,
  feature: CIM.Def.CIMMessageFeature,
): EmitOf<typeof topics.gateOutbound>[] {
  if (devices.length === 0) return []
  const bytes = feature === 0 ? body : Buffer.concat([body, featureField(feature)])
  return [...targetsByGate(devices)].map(([gate, target]) =>
    emit(
      topics.gateOutbound,
      {
        packet: [
          {
            target,
            command_id: commands.MSG_DATA.id,
            body: bytes,
            ref,
            ...(msg_type ? { msg_type } : {}),
          },
        ],
      },
      gate,
    ),
  )
}

/** Phones with no connection, whatever else of their user is online. */
export const offlinePhones = (
  phones: readonly DeviceName[],
  present: readonly PresentDevice[],
): DeviceName[] => {
  if (phones.length === 0) return []
  const online = new Set(present.map(({ device }) => deviceKey(device)))
  return phones.filter((phone) => !online.has(deviceKey(phone)))
}

/** A device is to be notified of a message; of a NOTIFICATION none is: it is not unread either. */
export const triggerPush = (
  reader_user_id: number,
  device: DeviceName,
  ref: event.IMessageRef,
  reason: event.PushReason,
  time: number,
  msg_type?: number | null,
): EmitOf<typeof topics.pushTriggered>[] =>
  msg_type === kCIM_MSG_TYPE_NOTIFICATION
    ? []
    : [
        emit(topics.pushTriggered, {
          reader_user_id,
          device,
          ref,
          reason,
          time,
          ...(msg_type ? { msg_type } : {}),
        }),
      ]

/** What all readers share whose devices are checked together. */
export type CheckedMessage = Pick<event.ICheckEntry, 'ref' | 'first_time' | 'msg_type' | 'sender_device'>

/** The entry that checks these readers of a message; none where there are no readers. */
export function checkEntries(
  { ref, first_time, msg_type, sender_device }: CheckedMessage,
  readers: readonly event.ICheckReader[],
): event.ICheckEntry[] {
  const [only, ...others] = readers
  if (only === undefined) return []
  const shared = {
    ref,
    first_time,
    ...(msg_type ? { msg_type } : {}),
    ...(sender_device ? { sender_device } : {}),
  }
  if (others.length > 0) return [{ ...shared, reader_user_id: 0, reader: [...readers] }]
  const { user_id, sent_to, push_owed } = only
  return [{ ...shared, reader_user_id: user_id, sent_to: sent_to ?? [], ...(push_owed ? { push_owed } : {}) }]
}

/** The readers of an entry, be they one or several. */
export const checkReaders = ({
  reader,
  reader_user_id,
  sent_to,
  push_owed,
}: event.ICheckEntry): readonly event.ICheckReader[] =>
  reader?.length
    ? reader
    : [{ user_id: reader_user_id, sent_to: sent_to ?? [], push_owed: push_owed ?? false }]

/**
 * A stored message as its readers get it, without msg_feature (spec 1, "Times and states").
 * @param from_nick_name only with SEND_NICK_NAME
 */
export const messageBody = (
  session_type: number,
  message: MessageForReader,
  from_nick_name: string | undefined,
): Uint8Array =>
  commands.MSG_DATA.type
    .encode({
      from_user_id: message.from_user_id,
      to_session_id: message.to_session_id,
      msg_id: message.msg_id,
      create_time: message.stored_time,
      msg_type: message.msg_type,
      msg_data: message.msg_data,
      session_type,
      server_msg_id: message.server_msg_id,
      ...(from_nick_name === undefined ? {} : { from_nick_name }),
      ...(message.mention.length > 0 ? { mention_user_id: [...message.mention] } : {}),
      ...(message.attach === null ? {} : { attach: message.attach }),
    })
    .finish()
