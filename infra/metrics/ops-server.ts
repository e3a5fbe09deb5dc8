/** /healthz, /readyz and /metrics of a process without a gateway, and of a gateway beyond loopback (METRICS_PORT). */
import http from 'node:http'
import type { AddressInfo } from 'node:net'

export interface OpsServer {
  readonly port: number
  stop(): Promise<void>
}

export interface OpsPart {
  readonly ok: boolean
  readonly reason?: string | undefined
}

export interface OpsOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** The process itself: every role has its partitions and has fetched once. */
  readonly isReady: () => boolean
  /** What it is built on, each part by its name (bus, database, cache). */
  readonly parts: () => Promise<Readonly<Record<string, OpsPart>>>
  readonly exposition: () => Promise<string>
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

const json = (status: number, body: object): Answer => ({
  status,
  type: 'application/json',
  body: JSON.stringify(body),
})

async function answer(path: string, { isReady, parts, exposition }: OpsOptions): Promise<Answer> {
  if (path === '/healthz') return json(200, { ok: true })
  if (path === '/metrics')
    return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: await exposition() }
  if (path === '/readyz') {
    const roles: OpsPart = isReady() ? { ok: true } : { ok: false, reason: 'starting or stopping' }
    const all = { ...(await parts()), roles }
    const ready = Object.values(all).every(({ ok }) => ok)
    return json(ready ? 200 : 503, { ready, parts: all })
  }
  return json(404, { error: { code: 'NOT_FOUND', message: 'there is no such call' } })
}

/** Listens, and answers until it is stopped. Rejects when the port is taken. */
export async function startOpsServer(options: OpsOptions): Promise<OpsServer> {
  const server = http.createServer({ requestTimeout: 10_000 }, (request, response) => {
    const [path = '/'] = (request.url ?? '/').split('?')
    void answer(path, options)
      .catch((error: Error) => json(503, { error: { code: 'INTERNAL', message: error.message } }))
      .then(({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
