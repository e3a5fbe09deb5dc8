/** MSG_DATA_ACK of a receiver: this device has the message (I5). Nothing answers it; a lost one is delivered again. */
import { topics } from '../../schemas/topics.js'
import type { Verb } from './verb.js'

export const msgDataAck: Verb<'MSG_DATA_ACK'> = (gate, connection, _seq, ack) => {
  if (gate.isSuspended()) return
  gate.following.acked(connection.id, ack.msg_id)
  gate.publisher.submit(topics.deliveryAcked, {
    login: {
      user_id: connection.user_id,
      device: connection.device,
      gate_id: gate.identity.gate_id,
      gate_epoch: gate.identity.gate_epoch,
      connection_id: connection.id,
      login_number: connection.login_number,
    },
    from_user_id: ack.from_user_id,
    to_session_id: ack.to_session_id,
    msg_id: ack.msg_id,
    time: Date.now(),
  })
}
