/** A server that does what a test tells it, where the real one would have to be brought to do so. */
import { createServer, type Server, type Socket } from 'node:net'
import { createPacketReader, type Packet, writePacket } from '../../client/frame.js'
import type { Body, CommandName, Writable } from '../../client/wire.js'

export interface Visitor {
  put<Name extends CommandName>(name: Name, body: Writable<Body<Name>>, seq?: number): void
  cut(): void
}

export interface ScriptedServer {
  readonly address: string
  /** Everything that clients wrote, in order. */
  readonly received: Packet[]
  /** The connection of the latest login. */
  visitor(): Visitor
  stop(): Promise<void>
}

/** What it does with a packet; true: that is all. Otherwise logins are accepted and pulls answered with nothing. */
export type Script = (packet: Packet, visitor: Visitor) => boolean

function answer(packet: Packet, { put }: Visitor): void {
  const user_id = 1
  if (packet.name === 'AUTH_TOKEN_REQ')
    put(
      'AUTH_TOKEN_RSP',
      { server_time: 1, result_code: 0, user_info: { user_id, nick_name: 'Ada' } },
      packet.seq,
    )
  if (packet.name === 'RECENT_CONTACT_SESSION_REQ')
    put('RECENT_CONTACT_SESSION_RSP', { user_id, unread_counts: 0, server_time: 1 }, packet.seq)
  if (packet.name === 'SYNC_REQ')
    put('SYNC_RSP', { user_id, next_cursor: packet.body.cursor, has_more: false }, packet.seq)
}

/** Listens on a port of its own. */
export async function startScriptedServer(script: Script = () => false): Promise<ScriptedServer> {
  const sockets = new Set<Socket>()
  const received: Packet[] = []
  let latest: Visitor | undefined
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    const reader = createPacketReader()
    const visitor: Visitor = {
      put: (name, body, seq = 0) => void socket.write(writePacket(name, seq, body)),
      cut: () => socket.destroy(),
    }
    socket.on('data', (chunk: Buffer) => {
      for (const packet of reader.push(Uint8Array.from(chunk))) {
        received.push(packet)
        if (packet.name === 'AUTH_TOKEN_REQ') latest = visitor
        if (!script(packet, visitor)) answer(packet, visitor)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    address: `tcp://127.0.0.1:${port}`,
    received,
    visitor: () => latest!,
    stop() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
