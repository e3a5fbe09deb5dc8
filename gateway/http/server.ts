/** The HTTP server of a gate: REST API, health, figures. WebSocket upgrades on the same port are gateway/ws.ts. */
import { isUtf8 } from 'node:buffer'
import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import swagger from '@fastify/swagger'
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import type { HttpContext } from '../context.js'
import { createOrigins } from '../origins.js'
import { createGuard } from './access.js'
import { limitArrival } from './arrival.js'
import { createCalls, idempotencyKeyOf } from './calls.js'
import { allowOrigins } from './cors.js'
import { describeCalls } from './description.js'
import { badRequest, errorBody, Fault, faultOf } from './faults.js'
import { newTraceId, requestIdOf, traceCalls } from './request-ids.js'
import type { Api } from './rest.js'
import { chatRoutes } from './routes/chat.js'
import { contactRoutes } from './routes/contacts.js'
import { deviceRoutes } from './routes/devices.js'
import { fileRoutes } from './routes/files.js'
import { groupRoutes } from './routes/groups.js'
import { messageRoutes } from './routes/messages.js'
import { notificationRoutes } from './routes/notifications.js'
import { operationRoutes } from './routes/operations.js'
import { orgRoutes } from './routes/org.js'
import { pushRoutes } from './routes/pushes.js'
import { readingRoutes } from './routes/reading.js'
import { reportRoutes } from './routes/reports.js'
import { sessionSettingsRoutes } from './routes/session-settings.js'
import { userRoutes } from './routes/users.js'

/** Slow senders are closed within 15 s (spec 6, "Abuse"): by these, and by limitArrival. */
const timeouts = {
  headersTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 65_000,
}
const body_ms = 14_000
const maxHeader_bytes = 16_384
/** A call is answered within 10 s; who still reads or writes then is cut off. */
const unfinished_ms = 12_000
const idleLook_ms = 100

export interface HttpServer {
  /** For upgrades to WebSocket. */
  readonly server: http.Server
  /** Where it listens. */
  readonly port: number
  /** Answers what is in flight and closes, within 12 s. Upgraded sockets are the caller's to close. */
  stop(): Promise<void>
}

/** HTTPS where there is a certificate, which is renewed without a restart. */
function createServer({ certificate, config }: HttpContext, handler: http.RequestListener): http.Server {
  const requestTimeout = config.FILE_UPLOAD_TIMEOUT_MS
  const options = { ...timeouts, requestTimeout, maxHeaderSize: maxHeader_bytes, noDelay: true }
  if (certificate === undefined) return http.createServer(options, handler)
  const secure = https.createServer({ ...options, ...certificate.current(), minVersion: 'TLSv1.2' }, handler)
  certificate.onChange(() => secure.setSecureContext({ ...certificate.current(), minVersion: 'TLSv1.2' }))
  return secure as unknown as http.Server // the same methods and events, but not by type
}

/** JSON in valid UTF-8; an empty body counts as {}. */
function readJson(api: FastifyInstance): void {
  const parse = api.getDefaultJsonParser('error', 'error')
  api.removeAllContentTypeParsers()
  api.addContentTypeParser(/^application\/(.+\+)?json(;|$)/, { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, {})
    if (!isUtf8(body as Buffer)) return done(badRequest('the body is not valid UTF-8'))
    return parse(request, body.toString(), done)
  })
}

/** Every failure has the same shape; what is our own mistake is logged and told without its reason. */
function answerFailures(api: FastifyInstance, { log }: HttpContext): void {
  api.setErrorHandler((error, request, reply) => {
    const fault = faultOf(error) ?? new Fault(500, 'INTERNAL', 'this is our mistake; it was logged')
    if (fault.status === 500)
      log.error({ error, request_id: request.id, route: request.routeOptions.url }, 'a call failed')
    return answerWith(fault, reply)
  })
  api.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]
    const message = `there is no call ${request.method} ${path}; /openapi.json has all that there are`
    return answerWith(new Fault(404, 'NOT_FOUND', message), reply)
  })
}

/** What is no HTTP at all is answered once, in the same shape, and closed. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [status, fault] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', new Fault(431, 'TOO_LARGE', 'the headers are too large')]
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', new Fault(408, 'TIMEOUT', 'the request took too long to arrive')]
        : ['400 Bad Request', badRequest('this is not HTTP')]
  const body = JSON.stringify(errorBody(fault as Fault))
  const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`
  const id = `x-request-id: ${newTraceId()}`
  socket.end(`HTTP/1.1 ${status}\r\n${head}\r\n${id}\r\n\r\n${body}`)
}

/** Answers a failure with its fault; the same for what fastify refuses before it has found the route. */
function answerWith(fault: Fault, reply: FastifyReply): FastifyReply {
  if (fault.more.retryAfter_s !== undefined) reply.header('retry-after', fault.more.retryAfter_s)
  if (fault.status === 401) reply.header('www-authenticate', 'Bearer')
  return reply.code(fault.status).send(errorBody(fault))
}

function observe(api: FastifyInstance, { metrics, isOpen }: HttpContext): void {
  api.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    reply.header('x-content-type-options', 'nosniff')
  })
  // The caller's next connection is to another gate.
  api.addHook('onSend', async (_request, reply) => {
    if (!isOpen()) reply.header('connection', 'close')
  })
  api.addHook('onResponse', async (request, reply) => {
    const route = (request.routeOptions.url ?? 'none').replace('(^[^:]+)', '').replace('::', ':')
    const { method } = request
    metrics.count('http_responses', { method, route, status: String(reply.statusCode) })
    metrics.observe('http_duration_ms', reply.elapsedTime, { method })
  })
}

/** Makes the server with all its routes, not listening yet. */
export async function createApi(context: HttpContext): Promise<FastifyInstance> {
  const { config } = context
  const api = fastify({
    serverFactory: (handler) => createServer(context, handler),
    bodyLimit: config.MAX_HTTP_BODY_BYTES,
    trustProxy: config.TRUSTED_PROXIES.length > 0 ? [...config.TRUSTED_PROXIES] : false,
    genReqId: requestIdOf,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // what came in before the end is answered like any other
    clientErrorHandler: refuseMalformed,
    // No hook runs before these.
    frameworkErrors: (error, request, reply) =>
      answerWith(badRequest(error.message), reply.header('x-request-id', request.id)),
    routerOptions: { maxParamLength: 128 },
  }).withTypeProvider<ZodTypeProvider>()
  const calls = createCalls(context)
  const rest = { context, calls }
  api.setValidatorCompiler(validatorCompiler)
  api.setSerializerCompiler(serializerCompiler)
  readJson(api)
  observe(api, context)
  traceCalls(api, context.tracer)
  answerFailures(api, context)
  api.decorateRequest('caller')
  api.addHook('onRequest', async (request) => {
    request.caller = { kind: 'app' }
  })
  limitArrival(api, body_ms, refuseMalformed)
  allowOrigins(api, createOrigins(config.ALLOWED_ORIGINS))
  api.addHook('onRequest', createGuard(context, calls))
  api.addHook('preValidation', async (request) => {
    if (request.method === 'POST') idempotencyKeyOf(request)
    request.body ??= {} // a call without a body is one with an empty body
  })
  await api.register(swagger, describeCalls)
  for (const add of [
    operationRoutes,
    userRoutes,
    deviceRoutes,
    notificationRoutes,
    messageRoutes,
    readingRoutes,
    sessionSettingsRoutes,
    groupRoutes,
    contactRoutes,
    orgRoutes,
    chatRoutes,
    fileRoutes,
    pushRoutes,
    reportRoutes,
  ])
    add(api as Api, rest)
  return api
}

/** Makes the server and listens on HTTP_PORT. Rejects when the port is taken. */
export async function startHttp(context: HttpContext): Promise<HttpServer> {
  const api = await createApi(context)
  await api.listen({ host: context.config.HOST, port: context.config.HTTP_PORT })
  const address = api.server.address()
  return {
    server: api.server,
    port: typeof address === 'object' && address !== null ? address.port : context.config.HTTP_PORT,
    stop: () => close(api),
  }
}

async function close(api: FastifyInstance): Promise<void> {
  // A connection whose answer had begun before the stop would be kept, for a minute.
  const idle = setInterval(() => api.server.closeIdleConnections(), idleLook_ms)
  const late = setTimeout(() => api.server.closeAllConnections(), unfinished_ms)
  await api.close().finally(() => {
    clearInterval(idle)
    clearTimeout(late)
  })
}
