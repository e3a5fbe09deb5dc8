/** What the workers of pushes share: a push to devices, what is said of it, and what becomes of it offline. */
import { coffeechat } from '../../proto/index.js'
import type { PushResultJson } from '../../schemas/business-events.js'
import type { DeviceName } from '../../schemas/ids.js'
import { commands } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import type { PresentDevice } from '../ports/presence.js'
import type { ReceiverChange, StoredPush } from '../ports/pushes.js'
import { targetsByGate } from './notify.js'
import { type EmitOf, emit } from './worker.js'

import event = coffeechat.event

/** `user_id` is field 1: two bytes of the body where it is 0. */
const receiverField_bytes = 2

/** CIMPushData without its user_id, which each gate puts before it. */
function bodyOf({ push_id, push_type, created, payload }: StoredPush): Uint8Array {
  const whole = commands.PUSH_DATA.type
    .encode({ user_id: 0, push_id, push_type, create_time: created, payload })
    .finish()
  return whole.subarray(receiverField_bytes)
}

/** A push to these devices: one record per gate, with the packet once. */
export function pushTo(
  devices: readonly PresentDevice[],
  push: StoredPush,
): EmitOf<typeof topics.gateOutbound>[] {
  if (devices.length === 0) return []
  const body = bodyOf(push)
  const { push_id } = push
  return [...targetsByGate(devices)].map(([gate, target]) =>
    emit(
      topics.gateOutbound,
      { packet: [{ target, command_id: commands.PUSH_DATA.id, body, push_id }] },
      gate,
    ),
  )
}

/** A push to everyone who is online by now: a record for each gate, which writes it to all its connections. */
export function pushToEveryone(
  push: StoredPush,
  gates: readonly string[],
): EmitOf<typeof topics.gateOutbound>[] {
  const broadcast = { online_by: push.created, expires: push.expires }
  const packet = { command_id: commands.PUSH_DATA.id, body: bodyOf(push), push_id: push.push_id, broadcast }
  return gates.map((gate) => emit(topics.gateOutbound, { packet: [packet] }, gate))
}

/** What businesses hear of a push, of one user or, without one, of the whole request. */
export function pushResult(
  push_id: string,
  user_id: number | undefined,
  outcome: PushResultJson['outcome'],
  more: { readonly time: number; readonly reason?: string | undefined; readonly client_type?: number },
): EmitOf<typeof topics.pushResult> {
  const { time, reason, client_type } = more
  return emit(topics.pushResult, {
    push_id,
    ...(user_id === undefined ? {} : { user_id: String(user_id) }),
    outcome,
    ...(reason === undefined ? {} : { reason }),
    ...(client_type === undefined ? {} : { client_type }),
    time,
  })
}

/**
 * What becomes of a push for a user who was not reached.
 * @param phones the user's devices that can be notified
 * @param now ms
 */
export function unreached(
  { push_id, offline, expires }: StoredPush,
  user_id: number,
  phones: readonly DeviceName[],
  now: number,
): ReceiverChange {
  const receiver = { push_id, user_id, expires }
  if (expires <= now) return { ...receiver, state: 'expired' }
  if (offline === 'store') return { ...receiver, state: 'stored' }
  if (offline === 'drop') return { ...receiver, state: 'dropped_offline' }
  if (phones.length > 0) return { ...receiver, state: 'notified' }
  return { ...receiver, state: 'dropped_offline', reason: 'no device to notify' }
}

/** What follows once a receiver was not reached: the result, and the notifications. */
export function toldUnreached(
  push: StoredPush,
  { push_id, user_id, state, reason }: ReceiverChange,
  phones: readonly DeviceName[],
  time: number,
): EmitOf<typeof topics.pushResult | typeof topics.pushTriggered>[] {
  if (state === 'open' || state === 'acked') return []
  const result = pushResult(push_id, user_id, state, { time, reason })
  if (state !== 'notified') return [result]
  return [result, ...phones.map((phone) => notification(push, user_id, phone))]
}

/** A push has no message: its id stands for one, from nobody. */
const notification = (
  { push_id, title, body, created }: StoredPush,
  user_id: number,
  device: DeviceName,
): EmitOf<typeof topics.pushTriggered> =>
  emit(topics.pushTriggered, {
    reader_user_id: user_id,
    device,
    ref: {
      from_user_id: 0,
      to_session_id: user_id,
      msg_id: push_id,
      session_type: 0,
      conversation: `push:${push_id}`,
      server_msg_id: 0,
    },
    reason: event.PushReason.PUSH_REASON_OFFLINE,
    time: created,
    notice: { title: title ?? '', body: body ?? '' },
  })
