/** A user's client: connected for as long as it is wanted, nothing sent is lost, everything received is shown once. */
import { askPatiently } from './catch-up.js'
import { ChatError } from './chat-error.js'
import { type Connection, createConnection, type State } from './connection.js'
import { createEvents, type Events } from './events.js'
import { createFiles, type Files, msgTypeOf, type Post, type UploadOptions } from './files.js'
import type { Packet } from './frame.js'
import {
  type CIMAuthTokenReq,
  type CIMGroupMemberChangedNotify,
  type CIMPushData,
  type CIMUserInfo,
  ClientType,
  type IMGetReceiptsRsp,
  type IMMsgDataReadNotify,
} from './gen/protocol.js'
import { createGroups, type Groups } from './groups.js'
import { createInbox, type Inbox } from './inbox.js'
import type { Link } from './link.js'
import { type ChatMessage, pulled, sessionTypeOf } from './messages.js'
import type { ClientOptions, Snapshot } from './options.js'
import { createPushes } from './pushes.js'
import type { ReadMark } from './reads.js'
import { sendReport } from './reports.js'
import { createSender, type Sender, type SendOptions } from './sender.js'
import type { Session } from './session-list.js'
import type { Hole } from './timeline.js'
import type { OpenTransport } from './transport.js'
import type { Asked, Question, Told } from './wire.js'

export interface ClientEvents {
  state: State
  /** Every message of every session once, by number within its session; one's own too, from whichever device. */
  message: ChatMessage
  /** Somebody has read up to a message; also this user, on another device. */
  read: IMMsgDataReadNotify
  /** Members came or went, perhaps this user. */
  group: CIMGroupMemberChangedNotify
  /** From the business; acked, and once per push_id. */
  push: CIMPushData
  /** The session list changed. */
  sessions: readonly Session[]
  /** What was missed is here: after each login. */
  synced: Snapshot
  /** Numbers that were too many to fetch: `history` has them. */
  skipped: Hole
  /** Whatever else the server tells by itself: requests to be friends, and the like. */
  packet: Packet
  /** What nobody waits for: a catch-up that failed, a packet that was refused. */
  error: ChatError
}

export interface HistoryOptions {
  /** Messages below this number; the newest where it is not given. */
  readonly before?: number
  /** At most 100; 20 where it is not given. */
  readonly limit?: number
}

export interface Client {
  readonly user_id: number
  readonly on: Events<ClientEvents>['on']
  state(): State
  /** Resolves with the first login; rejects with a ChatError where it is refused. Reconnects by itself from then on. */
  connect(): Promise<void>
  /** Offline for a while: what is unsettled waits for the next `connect`. */
  disconnect(): void
  /** Ends it without a logout: this device goes on getting offline pushes. What is unsettled is rejected. */
  close(): void
  /** Logs out and closes: no pushes any more. */
  logout(): Promise<void>
  /** The network is back: connects now instead of later. */
  wake(): void
  /** To a user or a group; resolves once it is stored. */
  readonly send: Sender['send']
  /** Uploads it and sends what names it, as a picture, audio, video or file by its content. Tells progress. */
  sendFile(
    to_session_id: number,
    content: Blob,
    options?: UploadOptions & Omit<SendOptions, 'msg_type'>,
  ): Promise<ChatMessage>
  /** Uploads, and addresses of what messages bring. */
  readonly files: Files
  /** Up to this message. Said again after a reconnect. */
  markRead(message: ReadMark): void
  /** Newest first, with exact unread counts; current from `synced` on. */
  sessions(): readonly Session[]
  /** In rising order. Fewer than asked: the beginning is reached. */
  history(session_id: number, options?: HistoryOptions): Promise<readonly ChatMessage[]>
  /** Who has received, and who has read, one's own message. */
  receipts(msg_id: string): Promise<IMGetReceiptsRsp>
  readonly groups: Groups
  /** To the business; resolves once it has it for good. */
  report(report_type: string, payload: string | Uint8Array, report_id?: string): Promise<void>
  /** Any request of the protocol. Rejects where there is no connection. */
  readonly ask: <Name extends Question>(name: Name, body: Asked<Name>) => Promise<Told<Name>>
  /** To resume from at the next start. */
  snapshot(): Snapshot
  /** Of this user, as the last login told. */
  profile(): CIMUserInfo | undefined
}

/** What the platform has: sockets, HTTP, and where the gateways are. */
export interface Platform {
  readonly open: OpenTransport
  readonly post: Post
  readonly addresses: () => Promise<readonly string[]>
}

type Ask = Client['ask']

/** Takes every packet that is no answer to a request. */
function receiver(user_id: number, events: Events<ClientEvents>, inbox: Inbox, sender: Sender) {
  const pushes = createPushes()
  return (link: Link, packet: Packet): void => {
    if (packet.name === 'MSG_DATA') inbox.onMessage(link, packet.body)
    else if (packet.name === 'MSG_DATA_ACK') sender.onAck(packet.body)
    else if (packet.name === 'MSG_READ_NOTIFY') inbox.onRead(packet.body)
    else if (packet.name === 'GROUP_MEMBER_CHANGED_NOTIFY') events.emit('group', packet.body)
    else if (packet.name === 'PUSH_DATA') {
      link.put('PUSH_DATA_ACK', { user_id, push_id: packet.body.push_id })
      if (pushes.isNew(packet.body.push_id)) events.emit('push', packet.body)
    } else if (packet.name === 'ERROR_NOTIFY') {
      const { result_code, result_string = 'refused' } = packet.body
      if (!sender.onRefused(packet.body))
        events.emit('error', new ChatError('refused', result_string, result_code))
    } else if (packet.name !== 'HEARTBEAT') events.emit('packet', packet)
  }
}

/** The request of a login, with the token as it is now. */
async function loginOf(options: ClientOptions): Promise<CIMAuthTokenReq> {
  const { user_id, token, nick_name = '', client_type = ClientType.WEB, client_version, device_id } = options
  const user_token = typeof token === 'string' ? token : await token()
  return { user_id, nick_name, user_token, client_type, client_version, device_id }
}

/** Questions about what is stored. */
function questions(user_id: number, ask: Ask): Pick<Client, 'history' | 'receipts' | 'groups'> {
  return {
    async history(session_id, { before = 0, limit = 20 } = {}) {
      const session_type = sessionTypeOf(session_id)
      const asked = { user_id, session_type, session_id, end_msg_id: before, limit_count: limit }
      const { msg_list } = await ask('MSG_LIST', asked)
      return msg_list.map((message) => pulled(user_id, message))
    },
    receipts: (msg_id) => ask('GET_RECEIPTS', { user_id, msg_id }),
    groups: createGroups(user_id, ask),
  }
}

/** Logs out where there is a connection, and closes. */
async function logOut(connection: Connection, { user_id, client_type = ClientType.WEB }: ClientOptions) {
  const leaving = connection.link()?.ask('LOGOUT', { user_id, client_type })
  // The server closes after its answer: nothing is to follow that.
  await leaving?.catch(() => {})
}

/** Uploads and then sends. */
const fileSender =
  (files: Files, { send }: Sender): Client['sendFile'] =>
  async (to_session_id, content, { name, onProgress, signal, ...message } = {}) => {
    const upload = { ...(name && { name }), ...(onProgress && { onProgress }), ...(signal && { signal }) }
    const file = await files.upload(content, upload)
    return send(to_session_id, JSON.stringify(file), { ...message, msg_type: msgTypeOf(file) })
  }

/** Not connected before `connect`. */
export function createClientOn({ open, post, addresses }: Platform, options: ClientOptions): Client {
  const { user_id, firstRetry_ms = 500, longestRetry_ms = 30_000 } = options
  const events = createEvents<ClientEvents>()
  let profile: CIMUserInfo | undefined
  const link = () => connection.link()
  const inbox = createInbox(options, events, link)
  const sender = createSender(options, link, inbox.stored)
  const connection = createConnection({
    ...{ open, addresses, login: () => loginOf(options) },
    backoff: { first_ms: firstRetry_ms, longest_ms: longestRetry_ms },
    heartbeat_ms: options.heartbeat_ms ?? 25_000,
    answerWithin_ms: options.answerWithin_ms ?? 11_000,
    onState(state) {
      if (state.name === 'waiting' || state.name === 'closed') sender.cut()
      if (state.name === 'closed' && state.ending.why !== 'asked') sender.close()
      events.emit('state', state)
    },
    onOnline(opened, { user_info }) {
      profile = user_info
      inbox.online(opened)
      sender.online()
    },
    onPacket: receiver(user_id, events, inbox, sender),
  })
  const ask: Ask = async (name, body) => {
    const now = connection.link()
    if (now === undefined) throw new ChatError('lost', `${name}: not connected`)
    return askPatiently(now, name, body)
  }
  const end = () => connection.end({ why: 'asked' })
  const files = createFiles(options, post)
  return {
    ...{ user_id, on: events.on, ask, send: sender.send, ...questions(user_id, ask) },
    ...{ files, sendFile: fileSender(files, sender) },
    ...{ state: connection.state, connect: connection.connect, wake: connection.wake, disconnect: end },
    ...{ markRead: inbox.markRead, sessions: inbox.sessions, snapshot: inbox.snapshot },
    profile: () => profile,
    report: (...report) =>
      sendReport(user_id, async () => connection.connect().then(() => link()!), ...report),
    close() {
      end()
      sender.close()
    },
    async logout() {
      await logOut(connection, options)
      end()
      sender.close()
    },
  }
}
