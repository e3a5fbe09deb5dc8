/** What businesses hear of devices: topic presence.changed. */

import type { PresenceChangedJson } from '../../schemas/business-events.js'
import type { DeviceName } from '../../schemas/ids.js'
import { topics } from '../../schemas/topics.js'
import { type EmitOf, emit } from './worker.js'

interface GateDevice {
  readonly user_id: number
  readonly device: DeviceName
  readonly gate_id: string
}

/** @param time ms */
export const presenceChange = (
  { user_id, device, gate_id }: GateDevice,
  state: PresenceChangedJson['state'],
  time: number,
): PresenceChangedJson => ({
  user_id: String(user_id),
  client_type: device.client_type,
  ...(device.device_id ? { device_id: device.device_id } : {}),
  gate_id,
  state,
  time,
})

/** @param time ms */
export const presenceChanged = (
  device: GateDevice,
  state: PresenceChangedJson['state'],
  time: number,
): EmitOf<typeof topics.presenceChanged> => emit(topics.presenceChanged, presenceChange(device, state, time))
