/** The server's own packets: the same body to several devices, one packet per gate. */
import { coffeechat } from '../../proto/index.js'
import { topics } from '../../schemas/topics.js'
import type { PresentDevice } from '../ports/presence.js'
import type { Writable } from './answers.js'
import { type EmitOf, emit } from './worker.js'

import event = coffeechat.event

/** The logins to write to, by gate. Without seq_num: the gate counts. */
export function targetsByGate(devices: readonly PresentDevice[]): ReadonlyMap<string, event.ITarget[]> {
  const gates = new Map<string, event.ITarget[]>()
  for (const each of devices) {
    const target: event.ITarget = {
      gate_epoch: each.gate_epoch,
      connection_id: each.connection_id,
      login_number: each.login_number,
      user_id: each.user_id,
      device: each.device,
    }
    const targets = gates.get(each.gate_id)
    if (targets) targets.push(target)
    else gates.set(each.gate_id, [target])
  }
  return gates
}

/** Tells these devices, wherever they are connected. */
export function notify<Body>(
  devices: readonly PresentDevice[],
  command: Writable<Body>,
  body: Body,
): EmitOf<typeof topics.gateOutbound>[] {
  if (devices.length === 0) return []
  const bytes = command.type.encode(body).finish()
  return [...targetsByGate(devices)].map(([gate, target]) =>
    emit(topics.gateOutbound, { packet: [{ target, command_id: command.id, body: bytes }] }, gate),
  )
}
