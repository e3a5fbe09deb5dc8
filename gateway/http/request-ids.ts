/** The id of a call, which is the trace id of what it causes (spec 4-http, last line). */
import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { parseTrace, type Trace, traceIdOf } from '../../schemas/tracing.js'

/** 32 hexadecimal digits. */
export const newTraceId = (): string => randomBytes(16).toString('hex')

/** The caller's trace where it sends one (W3C traceparent, or 32 hexadecimal digits), else a new one. */
export function requestIdOf({ headers }: { readonly headers: IncomingHttpHeaders }): string {
  const given = parseTrace(headers.traceparent)
  if (given !== undefined) return traceIdOf(given)
  const id = String(headers['x-request-id'] ?? '')
    .replaceAll('-', '')
    .toLowerCase()
  return /^(?!0{32})[0-9a-f]{32}$/.test(id) ? id : newTraceId()
}

/** What a call belongs to: the caller's trace, or one under its request id that nobody records. */
export const traceOfCall = ({ id, headers }: { id: string; headers: IncomingHttpHeaders }): Trace =>
  parseTrace(headers.traceparent) ?? `00-${id}-${randomBytes(8).toString('hex')}-00`
