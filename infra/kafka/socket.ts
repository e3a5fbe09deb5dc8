/** Sockets to the brokers: without Nagle's delay, with TLS where asked, and all of a client's destroyed at once. */
import net from 'node:net'
import tls from 'node:tls'
import type { ISocketFactory } from 'kafkajs'

const keepAlive_ms = 60_000
/** A host that does not answer at all by then is away. */
const tcpConnect_ms = 1_000
const produceApiKey = 0
const apiKeyOffset = 4

/** kafkajs goes on to the next broker after this code alone. */
const noConnection = (): Error =>
  Object.assign(new Error(`no connection within ${tcpConnect_ms} ms`), { code: 'ECONNREFUSED' })

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

/** kafkajs calls it again and again on a dead connection, and Node waits each time for one more 'connect'. */
function unrefOnce(socket: net.Socket): void {
  const unref = socket.unref.bind(socket)
  let called = false
  socket.unref = () => {
    if (called) return socket
    called = true
    return unref()
  }
}

/**
 * Sessions that brokers gave, by broker and options. A process has some hundred clients: where each shakes hands from
 * scratch, with certificates on both sides, a start takes much longer.
 */
const sessions = new WeakMap<tls.ConnectionOptions, Map<string, Buffer>>()

function connectTls(
  host: string,
  port: number,
  socket: net.Socket,
  ssl: tls.ConnectionOptions,
): tls.TLSSocket {
  const known = sessions.get(ssl) ?? new Map<string, Buffer>()
  sessions.set(ssl, known)
  const broker = `${host}:${port}`
  const secure = tls.connect({ ...tlsOptions(host, socket, ssl), session: known.get(broker) })
  secure.on('session', (session) => known.set(broker, session))
  secure.once('error', () => known.delete(broker))
  return secure
}

/** The TLS options for one host: its name is what the certificate must say. */
const tlsOptions = (host: string, socket: net.Socket, ssl: tls.ConnectionOptions): tls.ConnectionOptions => ({
  // What the certificate has to name; an IP address may not be asked for by SNI.
  ...(net.isIP(host) ? { host } : { servername: host }),
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
    const away = setTimeout(() => tcp.destroy(noConnection()), tcpConnect_ms)
    for (const event of ['connect', 'close']) tcp.once(event, () => clearTimeout(away))
    const socket = ssl ? connectTls(host, port, tcp, ssl) : tcp
    socket.once(ssl ? 'secureConnect' : 'connect', onConnect)
    if (options.silence_ms !== undefined) socket.setTimeout(options.silence_ms)
    unrefOnce(socket)
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
