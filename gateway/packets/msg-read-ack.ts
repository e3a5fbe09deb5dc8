/** MSG_READ_ACK: the user has read up to a message. Nothing answers it, save an error (spec 2, "Read and unread"). */
import { topics } from '../../schemas/topics.js'
import { answerBusy, originOf } from '../gate.js'
import { mayAskAbout, type Verb } from './verb.js'

export const msgReadAck: Verb<'MSG_READ_ACK'> = (gate, connection, seq, read) => {
  if (!mayAskAbout(gate, connection, 'MSG_READ_ACK', seq, read)) return
  const request = {
    connection,
    command: 'MSG_READ_ACK',
    seq,
    message: undefined,
    trace: connection.trace,
  } as const
  if (gate.isSuspended()) return answerBusy(gate, request)
  const origin = originOf(gate, connection, seq)
  gate.publisher.submit(topics.requestRead, { origin, read, time: Date.now() }, request)
}
