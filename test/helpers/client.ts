/** A client of the binary protocol over TCP, TLS or WebSocket, built on our own codec. */
import { connect as connectTcp, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocket } from 'ws'
import { createFrameReader, type Frame } from '../../gateway/codec/frame.js'
import { encodePacket } from '../../gateway/codec/packet.js'
import {
  type BodyOf,
  type CommandName,
  commandName,
  commands,
  type WritableBodyOf,
} from '../../schemas/packets.js'
import { eventually } from './gate.js'

export interface ReceivedPacket {
  readonly name: CommandName
  readonly seq: number
  readonly body: Buffer
}

export interface TestClient {
  readonly socket: Duplex
  readonly inbox: ReceivedPacket[]
  write(bytes: Uint8Array): void
  send<Name extends CommandName>(name: Name, seq: number, body: WritableBodyOf<Name>): void
  /** The next packet of this command, taken out of the inbox. */
  next<Name extends CommandName>(name: Name): Promise<{ seq: number; body: BodyOf<Name> }>
  /** Logs in with the token `good`, or another. */
  login(user_id: number, options?: { token?: string; client_type?: number; seq?: number }): Promise<number>
  /** Resolves when the gate has closed the connection. */
  closed(): Promise<void>
  isClosed(): boolean
  end(): void
}

export async function connect(port: number): Promise<TestClient> {
  const socket: Socket = connectTcp({ port, host: '127.0.0.1', noDelay: true })
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return clientOn(socket)
}

export async function connectWs(port: number): Promise<TestClient & { readonly ws: WebSocket }> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/ws`)
  const stream = createWebSocketStream(ws)
  await new Promise((resolve, reject) => {
    ws.once('open', resolve)
    ws.once('error', reject)
  })
  return { ...clientOn(stream), ws }
}

/** A client on a stream that is connected. */
export function clientOn(socket: Duplex): TestClient {
  const inbox: ReceivedPacket[] = []
  const reader = createFrameReader({ maxPacketBytes: 8 * 1024 * 1024 })
  let isClosed = false
  const keep = ({ commandId, seq, body }: Frame): void => {
    inbox.push({ name: commandName(commandId)!, seq, body: Buffer.from(body) })
  }
  socket.on('data', (chunk: Buffer) => reader.push(chunk).frames.forEach(keep))
  socket.on('error', () => {})
  socket.on('end', () => {
    isClosed = true
  })
  socket.on('close', () => {
    isClosed = true
  })

  const send: TestClient['send'] = (name, seq, body) => void socket.write(encodePacket(name, seq, body))
  const next: TestClient['next'] = async (name) => {
    const found = await eventually(
      () => {
        const at = inbox.findIndex((packet) => packet.name === name)
        return at >= 0 && inbox.splice(at, 1)[0]
      },
      `a ${name}, but ${inbox.map((packet) => packet.name).join(', ')}${isClosed ? ', closed' : ''}`,
    )
    const { seq, body } = found as ReceivedPacket
    return { seq, body: commands[name].type.decode(body) as never }
  }
  return {
    socket,
    inbox,
    write: (bytes) => void socket.write(bytes),
    send,
    next,
    async login(user_id, { token = 'good', client_type = 2, seq = 1 } = {}) {
      send('AUTH_TOKEN_REQ', seq, { user_id, nick_name: `u${user_id}`, user_token: token, client_type })
      return (await next('AUTH_TOKEN_RSP')).body.result_code
    },
    closed: () => eventually(() => isClosed, 'the connection to be closed').then(() => {}),
    isClosed: () => isClosed,
    end: () => void socket.destroy(),
  }
}
