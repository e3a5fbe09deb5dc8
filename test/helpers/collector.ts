/** A collector of spans on this machine: takes them over OTLP/HTTP in JSON, and answers as it is told to. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** A span as it arrived. */
export interface CollectedSpan {
  readonly trace_id: string
  readonly span_id: string
  /** '' of the first one of a trace. */
  readonly parent_id: string
  readonly name: string
  /** 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number
  readonly attributes: Readonly<Record<string, string | number>>
  /** Where it failed. */
  readonly failure: string | undefined
  /** Of the process that made it. */
  readonly service: Readonly<Record<string, string | number>>
}

export interface Collector {
  readonly url: string
  readonly spans: CollectedSpan[]
  readonly headers: IncomingHttpHeaders[]
  /** Answers 200; another one answers what it wants, or nothing, and keeps no span. */
  respond: ((response: ServerResponse) => void) | undefined
  close(): void
}

interface Value {
  readonly stringValue?: string
  readonly intValue?: number | string
}
type Attributes = readonly { readonly key: string; readonly value: Value }[]

interface Posted {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Attributes }
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: string
        readonly spanId: string
        readonly parentSpanId?: string
        readonly name: string
        readonly kind: number
        readonly attributes: Attributes
        readonly status?: { readonly code?: number; readonly message?: string }
      }[]
    }[]
  }[]
}

const plain = (attributes: Attributes) =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)] as const),
  )

const spansIn = ({ resourceSpans }: Posted): CollectedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ traceId, spanId, parentSpanId, name, kind, attributes, status }) => ({
        ...{ trace_id: traceId, span_id: spanId, parent_id: parentSpanId ?? '', name, kind },
        attributes: plain(attributes),
        failure: status?.code === 2 ? (status.message ?? '') : undefined,
        service: plain(resource.attributes),
      })),
    ),
  )

/** Starts one. */
export async function startCollector(): Promise<Collector> {
  const collector: Collector = {
    url: '',
    spans: [],
    headers: [],
    respond: undefined,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
  const server = createServer(async (request, response) => {
    const body = (await json(request).catch(() => undefined)) as Posted | undefined
    if (body === undefined) return
    collector.headers.push(request.headers)
    if (collector.respond !== undefined) return collector.respond(response)
    if (request.method !== 'POST' || request.url !== '/v1/traces') return void response.writeHead(404).end()
    collector.spans.push(...spansIn(body))
    response.setHeader('content-type', 'application/json')
    response.end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(collector, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}
