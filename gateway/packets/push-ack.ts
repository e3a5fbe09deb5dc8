/** PUSH_DATA_ACK: this device has the push (spec 3). Nothing answers it; without it the push comes once more. */
import { coffeechat } from '../../proto/index.js'
import { pushReached } from '../pushes.js'
import { isOwn, type Verb } from './verb.js'

export const pushDataAck: Verb<'PUSH_DATA_ACK'> = (gate, connection, seq, { user_id, push_id }) => {
  if (!isOwn(gate, connection, 'PUSH_DATA_ACK', seq, user_id) || gate.isSuspended()) return
  pushReached(gate, connection, push_id, coffeechat.event.PushStep.PUSH_STEP_ACKED)
}
