/** What closes a device's login: the packet for its gate (spec 2, "Login, presence, kick" 5). */
import { CIM } from '../../proto/index.js'
import { commands } from '../../schemas/packets.js'
import { topics } from '../../schemas/topics.js'
import type { PresentDevice } from '../ports/presence.js'
import { type EmitOf, emit } from './worker.js'

/** KICK_NOTIFY to that very login, then a close. Nothing happens where its gate no longer holds it. */
export const kickNotify = (
  { user_id, device, gate_id, gate_epoch, connection_id, login_number }: PresentDevice,
  reason: CIM.Def.CIMKickReason,
): EmitOf<typeof topics.gateOutbound> =>
  emit(
    topics.gateOutbound,
    {
      packet: [
        {
          target: [{ gate_epoch, connection_id, login_number, user_id, device }],
          command_id: commands.KICK_NOTIFY.id,
          body: CIM.Login.CIMKickNotify.encode({
            user_id,
            client_type: device.client_type,
            reason,
          }).finish(),
          close: true,
        },
      ],
    },
    gate_id,
  )
