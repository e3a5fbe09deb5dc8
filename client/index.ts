/** The client library for browsers: over WebSocket. In Node, client/node.ts. */
import { type Client, createClientOn } from './client.js'
import { type CallClass, overFetch, overXhr } from './files.js'
import { createGatewayList, overWs } from './gateways.js'
import type { ClientOptions } from './options.js'
import { overWebSocket, type SocketClass } from './transport.js'

export { ChatError, type Failure } from './chat-error.js'
export type { Client, ClientEvents, HistoryOptions } from './client.js'
export type { Ending, State } from './connection.js'
export { type Files, fileOf, type SentFile, type SignedFile, type UploadOptions } from './files.js'
export type { Packet } from './frame.js'
export * from './gen/protocol.js'
export type { GroupChanges, GroupMembers, Groups } from './groups.js'
export { type ChatMessage, textOf } from './messages.js'
export type { ClientOptions, Snapshot } from './options.js'
export { newMsgId, type SendOptions } from './sender.js'
export type { Session } from './session-list.js'

/** What a page has beside its socket, where there is one. */
interface Page {
  readonly WebSocket: SocketClass
  readonly XMLHttpRequest?: CallClass
  addEventListener?(event: 'online', listener: () => void): void
}

/** A client of this page, not connected before `connect`. */
export function createClient(options: ClientOptions): Client {
  const page = globalThis as unknown as Page
  const { addresses: fixed, server = '' } = options
  const addresses = fixed ? async () => fixed : createGatewayList(server, overWs)
  const post = page.XMLHttpRequest ? overXhr(page.XMLHttpRequest) : overFetch
  const client = createClientOn({ open: overWebSocket(page.WebSocket), post, addresses }, options)
  page.addEventListener?.('online', client.wake)
  return client
}
