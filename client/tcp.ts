/** TCP and TLS, for Node: `tcp://host:port`, `tls://host:port`. */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { OpenTransport } from './transport.js'

/** A transport over a socket of its own. */
export const overTcp: OpenTransport = (address, { onOpen, onBytes, onClose }) => {
  const { protocol, hostname, port } = new URL(address)
  const host = hostname.replace(/^\[|\]$/g, '')
  const isSecure = protocol === 'tls:'
  const socket: Socket = isSecure
    ? connectTls({ host, port: Number(port), ...(/^[\d.:]+$/.test(host) ? {} : { servername: host }) })
    : connectTcp({ host, port: Number(port) })
  let reason = 'closed'
  socket.setNoDelay(true)
  socket.once(isSecure ? 'secureConnect' : 'connect', onOpen)
  // Plain bytes, as from a WebSocket: a Buffer is one too, but does not slice alike.
  socket.on('data', (chunk: Buffer) => onBytes(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)))
  socket.on('error', (error) => {
    reason = error.message
  })
  socket.once('close', () => onClose(reason))
  return {
    send(bytes) {
      if (socket.writable) socket.write(bytes)
    },
    close: () => void socket.destroy(),
  }
}
