/** Pushes of businesses at the gate: the receiver is put into each, and how far each came is told. */
import type { coffeechat } from '../proto/index.js'
import { topics } from '../schemas/topics.js'
import type { Connection } from './connection.js'
import type { Gate } from './gate.js'

/** CIMPushData with its first field: user_id, a varint under the tag 0x08. */
export function addressed(user_id: number, rest: Uint8Array): Uint8Array {
  const field = [0x08]
  let left = user_id
  for (; left >= 128; left = Math.floor(left / 128)) field.push((left % 128) | 128)
  field.push(left)
  return Buffer.concat([Buffer.from(field), rest])
}

/** A push was written to this connection, or acked by it. */
export function pushReached(
  gate: Gate,
  connection: Connection,
  push_id: string,
  step: coffeechat.event.PushStep,
): void {
  const { gate_id, gate_epoch } = gate.identity
  const { user_id, device, id: connection_id, login_number } = connection
  const login = { user_id, device, gate_id, gate_epoch, connection_id, login_number }
  gate.publisher.submit(topics.pushReached, { login, push_id, step, time: Date.now() })
}
