/** What a client tells the business, over HTTP (spec 3, report.submitted). */
import { z } from 'zod'
import { CIM } from '../../../proto/index.js'
import { fieldLimits } from '../../../schemas/fields.js'
import { text } from '../../../schemas/user-operations.js'
import { Fault, serverBusy } from '../faults.js'
import { userPath } from '../fields.js'
import { createRates } from '../rates.js'
import { traceOfCall } from '../request-ids.js'
import { type Api, failures, type Rest } from '../rest.js'

const answered = z.object({ report_id: z.string() })

const reportBody = z.object({
  report_id: text('characters', fieldLimits.msg_id.max, fieldLimits.msg_id.min).describe(
    'yours; a repeat is marked',
  ),
  report_type: text('bytes', fieldLimits.report_type.max),
  payload: z.base64(),
  create_time: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional().describe('ms'),
})

export function reportRoutes(api: Api, { context }: Rest): void {
  const { config, reports, identity } = context
  const per_second = config.RATE_LIMIT_PACKETS
  const mayReport = createRates({ per_second, burst: 2 * per_second }, () => performance.now())

  api.post(
    '/v1/users/:user_id/reports',
    {
      config: { access: 'client' },
      schema: {
        tags: ['reports'],
        summary:
          'Tell the business something, as a client; the same report_id again answers 200 and is marked',
        params: userPath,
        body: reportBody,
        response: { 200: answered, 201: answered, ...failures },
      },
    },
    async (request, reply) => {
      const { user_id } = request.params
      const { report_id, report_type, payload, create_time } = request.body
      if (!mayReport(user_id)) throw new Fault(429, 'RATE_LIMITED', 'too many reports', { retryAfter_s: 1 })
      const bytes = Buffer.from(payload, 'base64')
      if (bytes.length > fieldLimits.report_payload.max)
        throw new Fault(413, 'TOO_LARGE', `a payload has at most ${fieldLimits.report_payload.max} bytes`)
      const now = Date.now()
      const report = {
        report_id,
        report_type,
        user_id: String(user_id),
        client_type: CIM.Def.CIMClientType.kCIM_CLIENT_TYPE_REST_API,
        gate_id: identity.gate_id,
        create_time: create_time ?? now,
        received_time: now,
        payload: bytes.toString('base64'),
      }
      const { repeated } = await reports.submit(report, traceOfCall(request)).catch(() => {
        throw serverBusy()
      })
      return reply.code(repeated ? 200 : 201).send({ report_id })
    },
  )
}
