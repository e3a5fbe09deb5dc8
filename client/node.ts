/** The client library for Node: over TCP, TLS or WebSocket. */
import WebSocket from 'ws'
import { type Client, createClientOn } from './client.js'
import { overFetch } from './files.js'
import { createGatewayList, overSockets, overWs } from './gateways.js'
import type { ClientOptions } from './options.js'
import { overTcp } from './tcp.js'
import { type OpenTransport, overWebSocket } from './transport.js'

export * from './index.js'

export interface NodeOptions extends ClientOptions {
  /** Which of a server's addresses to use: sockets of their own (the default), or WebSocket. */
  readonly over?: 'tcp' | 'ws'
}

const overWsSocket = overWebSocket(WebSocket)

const byScheme: OpenTransport = (address, events) =>
  (address.startsWith('ws') ? overWsSocket : overTcp)(address, events)

/** A client of this process, not connected before `connect`. */
export function createNodeClient(options: NodeOptions): Client {
  const { addresses: fixed, server = '', over = 'tcp' } = options
  const addresses = fixed
    ? async () => fixed
    : createGatewayList(server, over === 'tcp' ? overSockets : overWs)
  return createClientOn({ open: byScheme, post: overFetch, addresses }, options)
}
