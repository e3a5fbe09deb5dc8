/** What the routes of the REST API are made of. */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { HttpContext } from '../context.js'
import type { Calls } from './calls.js'
import { errorSchema } from './faults.js'

export type Api = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypeProvider>

export interface Rest {
  readonly context: HttpContext
  readonly calls: Calls
}

/** Answers of every call that can fail. */
export const failures = { '4xx': errorSchema, 503: errorSchema } as const
