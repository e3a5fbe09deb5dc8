/** Sockets to the brokers: without Nagle's delay, with TLS where asked, and all of a client's destroyed at once. */
import net from 'node:net'
import tls from 'node:tls'
import type { ISocketFactory } from 'kafkajs'

const keepAlive_ms = 60_000
const produceApiKey = 0
const apiKeyOffset = 4

/** Opens the TCP connection; tests lead it through a proxy. */
export type Connect = (host: string, port: number) => net.Socket

export interface SocketOptions {
  readonly connect?: Connect | undefined
  /** ms without a byte either way after which a connection counts as dead. */
  readonly silence_ms?: number
  /** Asked before the bytes of each Produce request; false destroys the connection instead. */
  readonly mayProduce?: (() => boolean) | undefined
}

export interface Sockets {
  readonly open: ISocketFactory
  /** Nothing is written or opened after this. */
  destroy(): void
}

const isProduce = (chunk: unknown): boolean =>
  Buffer.isBuffer(chunk) &&
  chunk.length >= apiKeyOffset + 2 &&
  chunk.readInt16BE(apiKeyOffset) === produceApiKey

function guardProduce(socket: net.Socket, mayProduce: () => boolean): void {
  const write = socket.write.bind(socket) as (...input: unknown[]) => boolean
  socket.write = (...input: unknown[]) => {
    if (!isProduce(input[0]) || mayProduce()) return write(...input)
    socket.destroy(new Error('producing is not allowed now'))
    return false
  }
}

/** The TLS options for one host: its name is what the certificate must say. */
const tlsOptions = (host: string, socket: net.Socket, ssl: tls.ConnectionOptions): tls.ConnectionOptions => ({
  ...(net.isIP(host) ? {} : { servername: host }),
  ...ssl,
  socket,
})

/** The sockets of one kafkajs client. */
export function createSockets(options: SocketOptions = {}): Sockets {
  const connect = options.connect ?? ((host, port) => net.connect({ host, port }))
  const opened = new Set<net.Socket>()
  let destroyed = false

  function open({ host, port, ssl, onConnect }: Parameters<ISocketFactory>[0]): net.Socket {
    if (destroyed) throw new Error('the client was thrown away')
    const tcp = connect(host, port)
    tcp.setNoDelay(true)
    tcp.setKeepAlive(true, keepAlive_ms)
    const socket = ssl ? tls.connect(tlsOptions(host, tcp, ssl)) : tcp
    socket.once(ssl ? 'secureConnect' : 'connect', onConnect)
    if (options.silence_ms !== undefined) socket.setTimeout(options.silence_ms)
    if (options.mayProduce) guardProduce(socket, options.mayProduce)
    opened.add(socket)
    socket.once('close', () => opened.delete(socket))
    return socket
  }

  return {
    open,
    destroy() {
      destroyed = true
      for (const socket of opened) socket.destroy(new Error('the client was thrown away'))
    },
  }
}
