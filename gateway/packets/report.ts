/** REPORT_REQ: a client tells the business something; answered when the bus has it on all replicas (spec 3). */
import { CIM } from '../../proto/index.js'
import { commands } from '../../schemas/packets.js'
import { beginRequest } from '../gate.js'
import { isOwn, type Verb } from './verb.js'

export const report: Verb<'REPORT_REQ'> = (gate, connection, seq, { user_id, report_id, ...body }) => {
  if (!isOwn(gate, connection, 'REPORT_REQ', seq, user_id)) return
  const request = beginRequest(gate, connection, 'REPORT_REQ', seq)
  if (request === undefined) return
  const answer = () => {
    // Late, and answered with SERVER_BUSY: it will come again, with a mark.
    if (request.settled) return
    gate.pending.settle(connection, seq, commands.REPORT_RSP.id)
    const result_code = CIM.Def.CIMErrorCode.kCIM_ERR_SUCCSSE
    gate.writer.packet(connection, 'REPORT_RSP', seq, { user_id, report_id, result_code })
  }
  const submitted = {
    report_id,
    report_type: body.report_type,
    user_id: String(user_id),
    client_type: connection.device.client_type,
    gate_id: gate.identity.gate_id,
    create_time: body.create_time,
    received_time: Date.now(),
    payload: Buffer.from(body.payload).toString('base64'),
  }
  gate.reports.submit(submitted, request.trace).then(answer, () => gate.pending.fail(request))
}
