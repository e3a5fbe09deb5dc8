/** A webhook of the business on this machine: remembers what it was told, and answers as it is told to. */
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface Told {
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects and fails where that is missing
  readonly body: any
  readonly key: string
  /** The signature is that of this body under the hook's secret. */
  readonly signed: boolean
  /** The header. */
  readonly traceparent: string | undefined
}

export type Respond = (told: Told, response: ServerResponse) => unknown

export interface Hook {
  readonly url: string
  readonly secret: string
  readonly told: Told[]
  /** How many calls were open at once, at most. */
  mostAtOnce(): number
  /** JSON is answered with 200; undefined is left to `respond` itself. */
  respond: Respond
  close(): void
  /** Listens again where it did before it was closed. */
  open(): Promise<void>
}

/** Starts one that answers 200 with nothing. */
export async function startHook(secret = 'secret-of-the-hook-01'): Promise<Hook> {
  let open = 0
  let most = 0
  const hook: Hook = {
    url: '',
    secret,
    told: [],
    mostAtOnce: () => most,
    respond: (_, response) => void response.end(),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
    async open() {
      if (server.listening) return
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
  }
  const server = createServer(async (request, response) => {
    most = Math.max(most, ++open)
    response.once('close', () => {
      open -= 1
    })
    const body = await text(request).catch(() => undefined)
    if (body === undefined) return
    const time = String(request.headers['x-coffeechat-timestamp'])
    const expected = `sha256=${createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')}`
    const signed = request.headers['x-coffeechat-signature'] === expected
    const told = {
      body: JSON.parse(body),
      key: String(request.headers['idempotency-key']),
      signed,
      traceparent: request.headers.traceparent as string | undefined,
    }
    hook.told.push(told)
    const answer = await hook.respond(told, response)
    if (answer !== undefined) response.end(JSON.stringify(answer))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return Object.assign(hook, { url: `http://127.0.0.1:${port}/` })
}
