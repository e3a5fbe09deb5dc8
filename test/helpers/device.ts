/** A device of a user on a real gateway: logs in, sends, acks, and keeps a journal that a checker can read. */
import { randomUUID } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocket } from 'ws'
import { CIM } from '../../proto/index.js'
import type { BodyOf, WritableBodyOf } from '../../schemas/packets.js'
import { answerWithin_ms, type Link, linkOn, type Packet } from './link.js'

/** One line of a device's journal. Times are ms of this machine's monotonic clock. */
export interface JournalEntry {
  readonly at_ms: number
  readonly kind: 'sent' | 'acked' | 'received'
  readonly from_user_id: number
  readonly to_session_id: number
  readonly msg_id: string
  /** Of an ack: 0 is OK. */
  readonly res_code?: number
  /** Of an ack that is OK, and of what was received. */
  readonly server_msg_id?: number
  /** Of what was sent and what was received. */
  readonly msg_data?: Buffer
}

export interface LoginOptions {
  readonly client_type?: number
  readonly device_id?: string
  readonly client_version?: string
  readonly nick_name?: string
}

type Message = WritableBodyOf<'MSG_DATA'>

export interface Device extends Link {
  /** Of a device over WebSocket. */
  readonly ws: WebSocket | undefined
  readonly journal: readonly JournalEntry[]
  /** Whether it acks what it receives; it does at first. */
  acking: boolean
  login(user_id: number, token: string, options?: LoginOptions): Promise<BodyOf<'AUTH_TOKEN_RSP'>>
  /** Sends a message as the user that logged in; returns its msg_id. */
  send(to: number, content: string | Uint8Array, more?: Partial<Message>): string
  /** The ack of a message, OK or not. */
  acked(msg_id: string, within_ms?: number): Promise<BodyOf<'MSG_DATA_ACK'>>
  /** Sends and awaits the ack; resolves with the server_msg_id. Rejects where the ack is not OK. */
  say(to: number, content: string | Uint8Array, more?: Partial<Message>): Promise<number>
  /** The message with this msg_id, once it is delivered. */
  received(msg_id: string, within_ms?: number): Promise<BodyOf<'MSG_DATA'>>
  ack(message: BodyOf<'MSG_DATA'>): void
}

/** A device that connects from this address of loopback. */
export async function connectDevice(port: number, localAddress?: string): Promise<Device> {
  const socket = connectTcp({ port, host: '127.0.0.1', noDelay: true, localAddress })
  await opened(socket, 'connect')
  return deviceOn(socket)
}

export async function connectWsDevice(port: number): Promise<Device> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/ws`)
  const stream = createWebSocketStream(ws)
  stream.on('error', () => {}) // the socket says it too
  await opened(ws, 'open')
  return deviceOn(stream, ws)
}

const opened = (emitter: NodeJS.EventEmitter, event: string): Promise<void> =>
  new Promise((resolve, reject) => {
    emitter.once(event, () => resolve())
    emitter.once('error', reject)
  })

/** What a packet says for the journal; undefined for what is neither an ack nor a message. */
function journalEntry(packet: Packet): JournalEntry | undefined {
  const at_ms = performance.now()
  if (packet.name === 'MSG_DATA_ACK') {
    const ack = packet.body as BodyOf<'MSG_DATA_ACK'>
    const { from_user_id, to_session_id, msg_id, res_code } = ack
    const number = ack.server_msg_id === null ? {} : { server_msg_id: ack.server_msg_id }
    return { at_ms, kind: 'acked', from_user_id, to_session_id, msg_id, res_code, ...number }
  }
  if (packet.name !== 'MSG_DATA') return undefined
  const message = packet.body as BodyOf<'MSG_DATA'>
  const { from_user_id, to_session_id, msg_id } = message
  const content = { server_msg_id: message.server_msg_id ?? 0, msg_data: Buffer.from(message.msg_data) }
  return { at_ms, kind: 'received', from_user_id, to_session_id, msg_id, ...content }
}

/** A device on a stream that is connected. */
function deviceOn(stream: Duplex, ws?: WebSocket): Device {
  const journal: JournalEntry[] = []
  let user_id = 0

  const link = linkOn(stream, (packet) => {
    const entry = journalEntry(packet)
    if (entry === undefined) return
    journal.push(entry)
    if (entry.kind === 'received' && device.acking) device.ack(packet.body as BodyOf<'MSG_DATA'>)
  })

  const device: Device = {
    ...link,
    ws,
    journal,
    acking: true,

    login(as, user_token, { client_type = CIM.Def.CIMClientType.kCIM_CLIENT_TYPE_IOS, ...more } = {}) {
      user_id = as
      const body = { user_id: as, nick_name: `u${as}`, user_token, client_type, ...more }
      return link.ask('AUTH_TOKEN_REQ', body, 'AUTH_TOKEN_RSP')
    },

    send(to_session_id, content, more = {}) {
      const message = {
        from_user_id: user_id,
        to_session_id,
        msg_id: randomUUID(),
        create_time: Date.now(),
        msg_type: CIM.Def.CIMMsgType.kCIM_MSG_TYPE_TEXT,
        msg_data: Buffer.from(content as string),
        ...more,
      }
      const { from_user_id, msg_id, msg_data } = message
      const at_ms = performance.now()
      journal.push({
        at_ms,
        kind: 'sent',
        from_user_id,
        to_session_id,
        msg_id,
        msg_data: Buffer.from(msg_data),
      })
      link.put('MSG_DATA', message)
      return msg_id
    },

    acked: async (msg_id, within_ms = answerWithin_ms) =>
      (await link.next('MSG_DATA_ACK', { match: (ack) => ack.msg_id === msg_id, within_ms })).body,

    async say(to, content, more) {
      const { res_code, server_msg_id } = await device.acked(device.send(to, content, more))
      if (res_code !== 0 || server_msg_id === null) throw new Error(`acked with ${res_code}`)
      return server_msg_id
    },

    received: async (msg_id, within_ms = answerWithin_ms) =>
      (await link.next('MSG_DATA', { match: (message) => message.msg_id === msg_id, within_ms })).body,

    ack({ from_user_id, to_session_id, msg_id, session_type }) {
      link.put('MSG_DATA_ACK', {
        from_user_id,
        to_session_id,
        msg_id,
        res_code: CIM.Def.CIMResCode.kCIM_RES_CODE_OK,
        session_type: session_type ?? CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_SINGLE,
      })
    },
  }
  return device
}
