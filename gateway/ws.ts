/**
 * The binary protocol over WebSocket, on the HTTP server's /ws: one binary message holds one or more whole packets
 * (spec 1-wire, "Transports").
 */
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Admission } from './admission.js'
import type { Clients } from './clients.js'
import { createFrameReader } from './codec/frame.js'
import type { Transport } from './connection.js'
import { type Proxies, plainAddress } from './proxies.js'

interface WsOptions {
  readonly server: Server
  readonly clients: Clients
  readonly admission: Admission
  readonly proxies: Proxies
  /** Whether the page at an origin may connect to this host. */
  readonly isAllowed: (origin: string | undefined, host: string | undefined) => boolean
  readonly max_packet_bytes: number
  /** ms, monotonic */
  readonly now: () => number
  /** False while the gate is stopping. */
  readonly isOpen: () => boolean
}

const path = '/ws'
/** A message may hold several packets, but not without end: it is buffered whole. */
const packets_per_message = 4

const socketTransport = (socket: WebSocket): Transport => ({
  send(pieces, bytes, onWritten) {
    socket.send(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, bytes), onWritten)
  },
  unsentBytes: () => socket.bufferedAmount,
  pause: () => socket.pause(),
  resume: () => socket.resume(),
  end: (code) => socket.close(code),
  destroy: () => socket.terminate(),
})

const refuse = (socket: Duplex, status: string): void =>
  void socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)

/** Serves upgrades on the server from now on. */
export function attachWs(options: WsOptions): void {
  const { server, admission, proxies, now, max_packet_bytes } = options
  const upgrades = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: max_packet_bytes * packets_per_message,
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const opened_at = now()
    socket.on('error', () => socket.destroy())
    if (request.url?.split('?')[0] !== path) return refuse(socket, '404 Not Found')
    const { origin, host } = request.headers
    if (!options.isAllowed(origin, host)) return refuse(socket, '403 Forbidden')
    if (!options.isOpen()) return refuse(socket, '503 Service Unavailable')
    const peer = plainAddress(request.socket.remoteAddress)
    const forwarded = request.headers['x-forwarded-for']
    const address = proxies.clientOf(peer, Array.isArray(forwarded) ? forwarded.join() : forwarded)
    admission.admit(address, {
      enter: () =>
        upgrades.handleUpgrade(request, socket, head, (upgraded) =>
          serve(options, upgraded, address, opened_at),
        ),
      turnAway: () => refuse(socket, '429 Too Many Requests'),
      isWaiting: () => !socket.destroyed,
    })
  })
}

function serve(options: WsOptions, socket: WebSocket, address: string, opened_at: number): void {
  const { clients } = options
  const connection = clients.open(socketTransport(socket), address, opened_at)
  const reader = createFrameReader({ maxPacketBytes: options.max_packet_bytes })
  socket.on('message', (message: Buffer, isBinary: boolean) => {
    if (!isBinary) return clients.close(connection, 'text-message')
    const received = reader.push(message)
    clients.receive(connection, received)
    if (received.violation === undefined && reader.pendingBytes() > 0)
      clients.close(connection, 'partial-packet')
  })
  // An oversized or broken message: the library answers with the close code that fits.
  socket.on('error', () => {})
  socket.on('close', () => clients.closed(connection))
}
