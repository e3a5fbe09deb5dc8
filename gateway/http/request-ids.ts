/** The id of a call, which is the trace id of what it causes (spec 4-http, last line). */
import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Span, spanWithin, type Tracer } from '../../schemas/tracer.js'
import { parseTrace, type Trace, traceIdOf } from '../../schemas/tracing.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** Of a call that is recorded. */
    span: Span | undefined
  }
}

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

/** What a call belongs to: its own span, the caller's trace, or one under its request id that nobody records. */
export const traceOfCall = ({ id, headers, span }: FastifyRequest): Trace =>
  span?.trace ?? parseTrace(headers.traceparent) ?? `00-${id}-${randomBytes(8).toString('hex')}-00`

/** A span for each call of the API whose trace is recorded, from its headers to the end of its answer. */
export function traceCalls(api: FastifyInstance, tracer: Tracer): void {
  api.decorateRequest('span')
  api.addHook('onRequest', async (request) => {
    const { url } = request.routeOptions
    if (url === undefined || !url.startsWith('/v1/')) return
    const start = () => callStart(request, url)
    const given = parseTrace(request.headers.traceparent)
    if (given !== undefined) request.span = spanWithin(tracer, given, start)
    else if (tracer.picks()) request.span = tracer.begin(start(), request.id)
  })
  api.addHook('onResponse', async ({ span }, { statusCode }) => {
    span?.set({ 'http.response.status_code': statusCode })
    span?.end(statusCode >= 500 ? `HTTP ${statusCode}` : undefined)
  })
}

const callStart = ({ method, url }: FastifyRequest, route: string) =>
  ({
    name: `${method} ${route}`,
    kind: 'server',
    attributes: {
      'http.request.method': method,
      'http.route': route,
      'url.path': url.split('?')[0]!,
      'url.scheme': 'http',
    },
  }) as const
