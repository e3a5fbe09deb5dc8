/** /openapi.json: OpenAPI 3.1 of the same schemas that validate the calls. */
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers with bytes. */
    download?: true
  }
}

const text = `Ids are decimal strings, times are milliseconds. App servers call with an API key, clients with the token of
their user, for themselves only: \`Authorization: Bearer …\`. Lists page with \`cursor\` and \`limit\` (at most 100).

Each POST takes an \`Idempotency-Key\`: the same call with the same key changes nothing again, and is answered as the
first time. (A message has its \`msg_id\` for that; reads and acks may be repeated anyway.) Every response has
\`x-request-id\`, which is the trace id of what the call caused; it is yours where you send \`traceparent\` or
\`x-request-id\`. A failure is \`{"error": {"code", "message", "field"?}}\`; after 429 and 503 the same call may be sent
again, as \`Retry-After\` says.`

const idempotencyKey = {
  type: 'object',
  properties: {
    'idempotency-key': {
      type: 'string',
      pattern: '^[\\x21-\\x7e]{1,255}$',
      description: 'names the call, so that a repetition changes nothing',
    },
  },
}

/** A file is taken and given as it comes, past the schemas; here is what that looks like. */
const uploadBody = {
  consumes: ['multipart/form-data'],
  body: {
    type: 'object',
    required: ['file'],
    properties: { file: { type: 'string', format: 'binary' } },
  },
}
const bytes = { content: { '*/*': { schema: { type: 'string', format: 'binary' } } } }
const downloadResponses = {
  200: { description: 'the file', ...bytes },
  206: { description: 'a range of it', ...bytes },
  304: { description: 'the caller has it (If-None-Match)', type: 'null' },
}

/** For @fastify/swagger. */
export const describeCalls: FastifyDynamicSwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: { title: 'CoffeeChat', version: '1', description: text },
    components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    security: [{ bearer: [] }],
  },
  transform(route) {
    const { schema, url } = jsonSchemaTransform(route)
    const { config, method } = route.route
    if ([method].flat().includes('POST')) Object.assign(schema, { headers: idempotencyKey })
    if (config?.upload) Object.assign(schema, uploadBody)
    if (config?.download) Object.assign(schema.response as object, downloadResponses)
    return { url, schema }
  },
}
