/** The binary protocol over TCP and over TLS: packets back to back, cut anywhere (spec 1-wire, "Transports"). */
import { createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { Admission } from './admission.js'
import type { Clients } from './clients.js'
import { createFrameReader } from './codec/frame.js'
import type { Transport } from './connection.js'
import type { Certificate } from './ports.js'
import { type Proxies, plainAddress, readProxyHeader } from './proxies.js'

interface TcpOptions {
  readonly clients: Clients
  readonly admission: Admission
  readonly proxies: Proxies
  readonly max_packet_bytes: number
  readonly auth_timeout_ms: number
  /** ms, monotonic */
  readonly now: () => number
}

export interface Listener {
  /** The port, once listening. */
  readonly port: number
  /** No new connections. */
  stop(): void
}

const joined_max_bytes = 16_384
const probe_ms = 60_000

/** Few small packets are cheaper joined than handed over one by one. */
const socketTransport = (socket: Socket): Transport => ({
  send(pieces, bytes, onWritten) {
    if (pieces.length === 1) socket.write(pieces[0]!, onWritten)
    else if (bytes <= joined_max_bytes) socket.write(Buffer.concat(pieces, bytes), onWritten)
    else {
      socket.cork()
      pieces.forEach((packet, at) => {
        socket.write(packet, at === pieces.length - 1 ? onWritten : undefined)
      })
      socket.uncork()
    }
  },
  unsentBytes: () => socket.writableLength,
  pause: () => void socket.pause(),
  resume: () => void socket.resume(),
  end: () => void socket.end(),
  destroy: () => void socket.destroy(),
})

const serve = (options: TcpOptions, socket: Socket, address: string, opened_at: number): void => {
  const { clients, max_packet_bytes } = options
  const reader = createFrameReader({ maxPacketBytes: max_packet_bytes })
  const connection = clients.open(socketTransport(socket), address, opened_at)
  socket.on('data', (chunk) => clients.receive(connection, reader.push(chunk)))
  socket.on('close', () => clients.closed(connection))
  if (socket.destroyed) clients.closed(connection)
}

/** Admits a socket at its address's pace; until then nothing is read from it. */
const admit = (options: TcpOptions, socket: Socket, address: string, enter: () => void): void =>
  options.admission.admit(address, {
    enter,
    turnAway: () => void socket.destroy(),
    isWaiting: () => !socket.destroyed,
  })

/** Finds out who connects, from the proxy's header where the peer is a trusted proxy. */
function identify(options: TcpOptions, socket: Socket, known: (address: string) => void) {
  const peer = plainAddress(socket.remoteAddress)
  if (!options.proxies.trusts(peer)) return known(peer)
  let seen = Buffer.alloc(0)
  const timer = setTimeout(() => socket.destroy(), options.auth_timeout_ms)
  const look = (): void => {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) return
    seen = Buffer.concat([seen, chunk])
    const header = readProxyHeader(seen)
    if (header.kind === 'partial') return
    socket.off('readable', look)
    clearTimeout(timer)
    if (header.kind === 'invalid') return void socket.destroy()
    const isHeader = header.kind === 'header'
    const rest = isHeader ? seen.subarray(header.length) : seen
    if (rest.length > 0) socket.unshift(rest)
    known((isHeader ? header.address : undefined) ?? peer)
  }
  socket.on('readable', look)
  socket.once('close', () => clearTimeout(timer))
}

/** Errors end in 'close', which is where they are dealt with. */
const ignoreErrors = (socket: Socket): void => void socket.on('error', () => {})

const listen = (server: Server, host: string, port: number): Promise<Listener> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      const address = server.address()
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : port,
        stop: () => void server.close(),
      })
    })
  })

const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: probe_ms }

/** Rejects where the port cannot be bound. */
export function listenTcp(options: TcpOptions, host: string, port: number): Promise<Listener> {
  const server = createServer(socketOptions, (socket) => {
    const opened_at = options.now()
    ignoreErrors(socket)
    identify(options, socket, (address) =>
      admit(options, socket, address, () => serve(options, socket, address, opened_at)),
    )
  })
  return listen(server, host, port)
}

/**
 * The same behind TLS. The raw socket is identified and admitted before the handshake. A new certificate serves the
 * connections made after it. Rejects where the port cannot be bound.
 */
export function listenTls(
  options: TcpOptions,
  certificate: Certificate,
  host: string,
  port: number,
): Promise<Listener> {
  const context = () => createSecureContext({ ...certificate.current(), minVersion: 'TLSv1.2' })
  let secureContext = context()
  certificate.onChange(() => {
    secureContext = context()
  })
  const server = createServer(socketOptions, (raw) => {
    const opened_at = options.now()
    ignoreErrors(raw)
    identify(options, raw, (address) =>
      admit(options, raw, address, () => {
        const socket = new TLSSocket(raw, { isServer: true, secureContext })
        ignoreErrors(socket)
        // A handshake that does not come to an end is a login that does not come.
        serve(options, socket, address, opened_at)
      }),
    )
  })
  return listen(server, host, port)
}
