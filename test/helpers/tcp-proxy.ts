/** A TCP proxy in front of a real Kafka or Redis that fails on demand, as networks do. */
import net from 'node:net'

export const produce = 0
export const fetch = 1

/** 'before': the broker never sees the request. 'after': it acts on it, but its answer is lost. */
export type Cut = 'before' | 'after'

export interface TcpProxy {
  /** For createBus: leads every connection through here. */
  readonly connect: (host: string, port: number) => net.Socket
  /** host:port of the proxy itself. */
  readonly address: string
  /** Cuts the connection of the next request of this kind, or which has this text in it; resolves when it has. */
  cutNext(when: Cut, which: number | string): Promise<void>
  cutAll(): void
  /** While true every connection is refused and those that exist are cut. */
  setOutage(on: boolean): void
  /** While true nothing passes either way, and nothing is closed. */
  setBlackHole(on: boolean): void
  /** How many requests of this kind passed. */
  passed(apiKey: number): number
  close(): Promise<void>
}

/** A request of Kafka's protocol starts with its length and its kind. */
const kindOf = (chunk: Buffer): number => (chunk.length >= 6 ? chunk.readInt16BE(4) : -1)

/** @param target host:port of the broker */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const colon = target.lastIndexOf(':')
  const [host, port] = [target.slice(0, colon), Number(target.slice(colon + 1))]
  const pairs = new Set<readonly [net.Socket, net.Socket]>()
  const counts = new Map<number, number>()
  let outage = false
  let blackHole = false
  let plan: { when: Cut; which: number | string; onCut: () => void } | undefined

  function link(client: net.Socket): void {
    if (outage) {
      client.destroy()
      return
    }
    const broker = net.connect({ host, port })
    const pair = [client, broker] as const
    pairs.add(pair)
    const cut = () => {
      pairs.delete(pair)
      client.destroy()
      broker.destroy()
    }
    let answerIsLost: (() => void) | undefined
    for (const socket of pair) {
      socket.setNoDelay(true)
      socket.on('error', cut)
      socket.on('close', cut)
    }
    client.on('data', (chunk: Buffer) => {
      if (blackHole) return
      const kind = kindOf(chunk)
      if (plan && (typeof plan.which === 'string' ? chunk.includes(plan.which) : plan.which === kind)) {
        const { when, onCut } = plan
        plan = undefined
        if (when === 'before') {
          cut()
          onCut()
          return
        }
        answerIsLost = onCut
      }
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
      broker.write(chunk)
    })
    broker.on('data', (chunk: Buffer) => {
      if (blackHole) return
      if (answerIsLost === undefined) client.write(chunk)
      else {
        cut()
        answerIsLost()
      }
    })
  }

  const cutAll = () => {
    for (const [client] of pairs) client.destroy()
  }
  const server = net.createServer(link)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port: ownPort } = server.address() as net.AddressInfo

  return {
    connect: () => net.connect({ host: '127.0.0.1', port: ownPort }),
    address: `127.0.0.1:${ownPort}`,
    cutNext: (when, which) =>
      new Promise((resolve) => {
        plan = { when, which, onCut: resolve }
      }),
    cutAll,
    setOutage(on) {
      outage = on
      if (on) cutAll()
    },
    setBlackHole(on) {
      blackHole = on
    },
    passed: (apiKey) => counts.get(apiKey) ?? 0,
    close: () =>
      new Promise((resolve) => {
        cutAll()
        server.close(() => resolve())
      }),
  }
}
