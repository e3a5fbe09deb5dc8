/**
 * What was sent and is not known to be stored: it is written again, with the same msg_id, until the server says so.
 * Pure: the time comes as an argument, and what is due is handed out.
 */
import { ResCode } from './gen/protocol.js'

interface Outgoing {
  readonly msg_id: string
  readonly to_session_id: number
}

interface OutboxRules {
  /** Unsettled messages that it holds at most. */
  readonly limit: number
  /** Without an ack for so long a message is written again. */
  readonly ackWithin_ms: number
  /** How long to wait after an ack that asks for it (SERVER_BUSY, RATE_LIMITED), by attempt: 0, 1, 2 … */
  readonly delay_ms: (attempt: number) => number
  /** Packets a second that the server takes from a connection, and how many at once. */
  readonly pace: { readonly perSecond: number; readonly burst: number }
}

/** stored and refused are final; again: it stays and will be written again; unknown: it is not in here. */
type Settled = 'stored' | 'refused' | 'again' | 'unknown'

export interface Outbox<Message extends Outgoing> {
  /** full: it was not taken. known: this msg_id is in here. */
  add(message: Message): 'added' | 'full' | 'known'
  /** What to write now, in the order of sending; it counts as written. Times in ms of one clock. */
  due(now: number): readonly Message[]
  /** When something may be due next; undefined: not before something happens. */
  nextDue(now: number): number | undefined
  settle(ack: { readonly msg_id: string; readonly res_code: number }, now: number): Settled
  /** Takes it out, whatever became of it. */
  remove(msg_id: string): Message | undefined
  get(msg_id: string): Message | undefined
  /** The connection is gone: on the next one everything is due, in the order of sending. */
  cut(): void
  size(): number
}

interface Entry<Message> {
  readonly message: Message
  attempts: number
  /** 0: at once. */
  due_ms: number
  /** Written, and neither answered nor overdue. */
  isUnderWay: boolean
}

/** Refusals that pass: nothing was stored, or nobody knows. */
const isPassing = (res_code: number): boolean =>
  res_code === ResCode.SERVER_BUSY || res_code === ResCode.RATE_LIMITED

/** An empty outbox. */
export function createOutbox<Message extends Outgoing>(rules: OutboxRules): Outbox<Message> {
  const entries = new Map<string, Entry<Message>>()
  const { perSecond, burst } = rules.pace
  let tokens = burst
  let counted_at = 0

  function refill(now: number): void {
    tokens = Math.min(burst, tokens + (Math.max(0, now - counted_at) * perSecond) / 1000)
    counted_at = now
  }

  /** Due entries; one that has to wait holds up those behind it in its session that were never written. */
  function ready(now: number): Entry<Message>[] {
    const waiting = new Set<number>()
    return [...entries.values()].filter((entry) => {
      const { to_session_id } = entry.message
      if (entry.due_ms > now && !entry.isUnderWay) waiting.add(to_session_id)
      return entry.due_ms <= now && (entry.attempts > 0 || !waiting.has(to_session_id))
    })
  }

  return {
    add(message) {
      if (entries.has(message.msg_id)) return 'known'
      if (entries.size >= rules.limit) return 'full'
      entries.set(message.msg_id, { message, attempts: 0, due_ms: 0, isUnderWay: false })
      return 'added'
    },
    due(now) {
      refill(now)
      const written = ready(now).slice(0, Math.floor(tokens))
      tokens -= written.length
      for (const entry of written) {
        entry.attempts++
        entry.due_ms = now + rules.ackWithin_ms
        entry.isUnderWay = true
      }
      return written.map(({ message }) => message)
    },
    nextDue(now) {
      if (entries.size === 0) return undefined
      refill(now)
      if (ready(now).length > 0) return tokens >= 1 ? now : now + Math.ceil(((1 - tokens) * 1000) / perSecond)
      return Math.min(...[...entries.values()].map(({ due_ms }) => due_ms).filter((due_ms) => due_ms > now))
    },
    settle({ msg_id, res_code }, now) {
      const entry = entries.get(msg_id)
      if (entry === undefined) return 'unknown'
      if (isPassing(res_code)) {
        entry.due_ms = now + rules.delay_ms(Math.max(0, entry.attempts - 1))
        entry.isUnderWay = false
        return 'again'
      }
      entries.delete(msg_id)
      return res_code === ResCode.OK ? 'stored' : 'refused'
    },
    remove(msg_id) {
      const entry = entries.get(msg_id)
      entries.delete(msg_id)
      return entry?.message
    },
    get: (msg_id) => entries.get(msg_id)?.message,
    cut() {
      for (const entry of entries.values()) Object.assign(entry, { due_ms: 0, isUnderWay: false })
      tokens = burst
    },
    size: () => entries.size,
  }
}
