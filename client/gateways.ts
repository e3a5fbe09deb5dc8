/** Where the gateways are: the list that any of them gives to who asks over HTTP. */

/** What GET /v1/gateways answers. */
interface GatewayList {
  readonly tcp: readonly string[]
  readonly tls: readonly string[]
  readonly ws: readonly string[]
  readonly wss: readonly string[]
}

/** Addresses of one kind, as this library writes them. */
export type Choose = (list: GatewayList) => readonly string[]

/** Over WebSocket: encrypted where that is offered, as a page that came over HTTPS may use nothing else. */
export const overWs: Choose = ({ ws, wss }) => (wss.length > 0 ? wss : ws)

/** Over sockets of their own: encrypted where that is offered. */
export const overSockets: Choose = ({ tcp, tls }) =>
  tls.length > 0 ? tls.map((each) => `tls://${each}`) : tcp.map((each) => `tcp://${each}`)

const answerWithin_ms = 5_000

/**
 * Asks a server, `https://chat.example.com`, each time for the list; while it does not answer the last list is good.
 * The function that it makes rejects where there never was one.
 */
export function createGatewayList(server: string, choose: Choose): () => Promise<readonly string[]> {
  let last: readonly string[] = []
  return async () => {
    try {
      const url = `${server.replace(/\/+$/, '')}/v1/gateways`
      const response = await fetch(url, { signal: AbortSignal.timeout(answerWithin_ms) })
      if (!response.ok) throw new Error(`${url} answered ${response.status}`)
      const list = choose((await response.json()) as GatewayList)
      if (list.length > 0) last = list
    } catch (error) {
      if (last.length === 0) throw error
    }
    return last
  }
}
