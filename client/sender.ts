/** Sends messages until each is settled: the outbox, with a clock and a link. */
import { backoffDelay } from './backoff.js'
import { ChatError, notSent, refusal } from './chat-error.js'
import type { IMMsgData } from './gen/protocol.js'
import { type CIMErrorNotify, commands, type IMMsgDataAck, MsgType } from './gen/protocol.js'
import type { Link } from './link.js'
import { type ChatMessage, delivered, sessionTypeOf } from './messages.js'
import type { ClientOptions } from './options.js'
import { createOutbox } from './outbox.js'
import type { Writable } from './wire.js'

export interface SendOptions {
  /** The message's name for ever: the same one again, also after a restart, stores nothing twice. */
  readonly msg_id?: string
  /** TEXT where it is not given. */
  readonly msg_type?: MsgType
  readonly mention_user_id?: readonly number[]
  readonly attach?: string
  /** W3C trace context: what the server does with the message belongs to this trace. */
  readonly traceparent?: string
}

export interface Sender {
  /** Resolves once it is stored; rejects where it is refused, or the client closes before anybody knows. */
  send(to_session_id: number, content: string | Uint8Array, options?: SendOptions): Promise<ChatMessage>
  /** Logged in: what is unsettled goes out, in the order of sending. */
  online(): void
  /** The link is gone. */
  cut(): void
  onAck(ack: IMMsgDataAck): void
  /** True where the packet that was refused is a message of ours. */
  onRefused(notify: CIMErrorNotify): boolean
  close(): void
  unsettled(): number
}

/** The message of this user, as it is written. */
type Outgoing = Writable<IMMsgData>

interface Promised {
  readonly promise: Promise<ChatMessage>
  resolve(message: ChatMessage): void
  reject(error: ChatError): void
}

function promised(): Promised {
  let resolve!: Promised['resolve']
  let reject!: Promised['reject']
  const promise = new Promise<ChatMessage>((...functions) => {
    ;[resolve, reject] = functions
  })
  return { promise, resolve, reject }
}

const busyBackoff = { first_ms: 400, longest_ms: 10_000 }
/** The server says SERVER_BUSY after 8 s by itself. */
const ackWithin_ms = 12_000

/** A UUID; also where crypto.randomUUID is not, as on a page without HTTPS. */
export function newMsgId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = (bytes[6]! & 15) | 64
  bytes[8] = (bytes[8]! & 63) | 128
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

const encoder = new TextEncoder()

/**
 * Nothing sent yet.
 * @param link the one that is logged in, if any
 * @param onStored sees each message before its sender's promise resolves
 */
export function createSender(
  { user_id, outbox_limit = 1_000, packets_per_second = 50 }: ClientOptions,
  link: () => Link | undefined,
  onStored: (message: ChatMessage) => void,
): Sender {
  // Below the server's own limit, which counts requests too.
  const pace = { perSecond: packets_per_second * 0.8, burst: packets_per_second }
  const delay_ms = (attempt: number) => backoffDelay(busyBackoff, attempt, Math.random())
  const outbox = createOutbox<Outgoing>({ limit: outbox_limit, ackWithin_ms, delay_ms, pace })
  const promises = new Map<string, Promised>()
  const msgIds = new Map<number, string>()
  let timer: ReturnType<typeof setTimeout> | undefined

  /** Writes what is due, and comes back when more is. */
  function pump(): void {
    clearTimeout(timer)
    const to = link()
    if (to === undefined) return
    for (const message of outbox.due(Date.now())) msgIds.set(to.put('MSG_DATA', message), message.msg_id)
    const next = outbox.nextDue(Date.now())
    if (next !== undefined) timer = setTimeout(pump, Math.max(1, next - Date.now()))
  }

  function settle(msg_id: string, outcome: ChatMessage | ChatError): void {
    const waiting = promises.get(msg_id)
    promises.delete(msg_id)
    outbox.remove(msg_id)
    if (outcome instanceof ChatError) waiting?.reject(outcome)
    else {
      onStored(outcome)
      waiting?.resolve(outcome)
    }
  }

  return {
    send(to_session_id, content, { msg_id = newMsgId(), msg_type = MsgType.TEXT, ...more } = {}) {
      const known = promises.get(msg_id)
      if (known !== undefined) return known.promise
      const msg_data = typeof content === 'string' ? encoder.encode(content) : content
      const { mention_user_id = [], attach, traceparent } = more
      const session_type = sessionTypeOf(to_session_id)
      const added = outbox.add({
        ...{ from_user_id: user_id, to_session_id, msg_id, create_time: Date.now(), msg_type, msg_data },
        ...{ session_type, mention_user_id: [...mention_user_id], attach, traceparent },
      })
      if (added === 'full') return Promise.reject(new ChatError('full', 'too many messages are unsent'))
      const waiting = promised()
      promises.set(msg_id, waiting)
      pump()
      return waiting.promise
    },
    online: pump,
    cut() {
      clearTimeout(timer)
      msgIds.clear()
      outbox.cut()
    },
    onAck(ack) {
      const { msg_id, server_msg_id, create_time = 0, res_code } = ack
      const message = outbox.get(msg_id)
      const settled = outbox.settle(ack, Date.now())
      if (settled === 'refused') settle(msg_id, notSent(res_code))
      if (settled === 'stored' && message !== undefined) {
        const stored = {
          ...message,
          mention_user_id: message.mention_user_id ?? [],
          create_time,
          server_msg_id,
        }
        settle(msg_id, delivered(user_id, stored)!)
      }
      if (settled !== 'unknown') pump()
    },
    onRefused({ command_id, seq_num, result_code, result_string }) {
      const msg_id = command_id === commands.MSG_DATA[0] ? msgIds.get(seq_num) : undefined
      if (msg_id === undefined) return false
      settle(msg_id, refusal('not sent', result_code, result_string))
      return true
    },
    close() {
      clearTimeout(timer)
      for (const msg_id of [...promises.keys()])
        settle(msg_id, new ChatError('closed', 'closed before it was known to be stored'))
    },
    unsettled: () => outbox.size(),
  }
}
