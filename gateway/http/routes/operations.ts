/** What operators and probes ask: alive, able to serve, figures, the API's description. Open to anybody who is near. */
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { businessProto } from '../../../proto/index.js'
import { asyncApi } from '../../../schemas/asyncapi.js'
import { docsPage, docsPolicy } from '../docs-page.js'
import { errorSchema, Fault, serverBusy } from '../faults.js'
import { createReadiness, readinessSchema } from '../readiness.js'
import type { Api, Rest } from '../rest.js'
import { topicsPage, topicsPolicy } from '../topics-page.js'

const addresses = z.array(z.string())
const open = { access: 'open' } as const

/** Not by way of a proxy on this machine, which would show the figures to everybody. */
const isFromLoopback = ({ socket, headers }: FastifyRequest): boolean =>
  /^(::1|(::ffff:)?127\..*)$/.test(socket.remoteAddress ?? '') &&
  headers['x-forwarded-for'] === undefined &&
  headers.forwarded === undefined

export function operationRoutes(api: Api, { context }: Rest): void {
  const { config, directory, exposition } = context
  const readiness = createReadiness(context)

  api.get(
    '/healthz',
    { config: open, schema: { tags: ['operations'], summary: 'Alive', security: [] } },
    () => ({
      ok: true,
    }),
  )

  api.get(
    '/readyz',
    {
      config: open,
      schema: {
        tags: ['operations'],
        summary: 'Able to serve; each part is named',
        security: [],
        response: { 200: readinessSchema, 503: readinessSchema },
      },
    },
    async (_request, reply) => {
      const state = await readiness()
      return reply.code(state.ready ? 200 : 503).send(state)
    },
  )

  api.get('/metrics', { config: open, schema: { hide: true } }, async (request, reply) => {
    if (!isFromLoopback(request)) throw new Fault(404, 'NOT_FOUND', 'there is no such call')
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(await exposition())
  })

  api.get('/docs', { config: open, schema: { hide: true } }, (_request, reply) =>
    reply.type('text/html; charset=utf-8').header('content-security-policy', docsPolicy).send(docsPage),
  )

  api.get('/openapi.json', { config: open, schema: { hide: true } }, () => api.swagger())

  const topicsDocument = asyncApi(config.TOPIC_PREFIX, config.TOPIC_PARTITIONS)
  api.get('/asyncapi.json', { config: open, schema: { hide: true } }, () => topicsDocument)

  api.get('/business.proto', { config: open, schema: { hide: true } }, (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send(businessProto),
  )

  api.get('/docs/topics', { config: open, schema: { hide: true } }, (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', topicsPolicy)
      .send(topicsPage(topicsDocument)),
  )

  api.get(
    '/v1/gateways',
    {
      config: open,
      schema: {
        tags: ['gateways'],
        summary: 'Live gateways, least loaded first',
        security: [],
        response: {
          200: z.object({ tcp: addresses, tls: addresses, ws: addresses, wss: addresses }),
          503: errorSchema,
        },
      },
    },
    async () => {
      const live = await directory.live().catch(() => {
        throw serverBusy()
      })
      const of = (transport: 'tcp' | 'tls' | 'ws' | 'wss') => live.flatMap((gate) => gate[transport] ?? [])
      return { tcp: of('tcp'), tls: of('tls'), ws: of('ws'), wss: of('wss') }
    },
  )
}
