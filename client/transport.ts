/** What carries bytes to a gateway. WebSocket is here; TCP, which browsers have not, is client/tcp.ts. */

export interface TransportEvents {
  onOpen(): void
  onBytes(bytes: Uint8Array): void
  /** Once, whoever closed it. Nothing comes after it. */
  onClose(reason: string): void
}

export interface Transport {
  send(bytes: Uint8Array): void
  close(): void
}

/** Begins to connect to an address, `ws://host:port/ws` or `tcp://host:port`. */
export type OpenTransport = (address: string, events: TransportEvents) => Transport

/** What is used of a WebSocket, in browsers and in Node alike. */
interface Socket {
  binaryType: string
  readonly readyState: number
  onopen: (() => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onerror: ((event: never) => void) | null
  onclose: ((event: { code: number }) => void) | null
  send(bytes: Uint8Array): void
  close(): void
}

export type SocketClass = new (address: string) => unknown

const open = 1

/** A transport over WebSockets of this class. */
export const overWebSocket =
  (Socket: SocketClass): OpenTransport =>
  (address, { onOpen, onBytes, onClose }) => {
    const socket = new Socket(address) as Socket
    let isOver = false
    const end = (reason: string) => {
      if (isOver) return
      isOver = true
      onClose(reason)
    }
    socket.binaryType = 'arraybuffer'
    socket.onopen = onOpen
    socket.onmessage = ({ data }) => {
      if (!isOver && data instanceof ArrayBuffer) onBytes(new Uint8Array(data))
    }
    socket.onerror = () => {} // a close follows
    socket.onclose = ({ code }) => end(`closed with ${code}`)
    return {
      send(bytes) {
        if (socket.readyState === open) socket.send(bytes)
      },
      close() {
        socket.close()
        // The other side may be gone and never answer.
        end('closed here')
      },
    }
  }
