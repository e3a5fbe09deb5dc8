/** What happened to each message of a run to one group, and the figures that follow from it. Times in ms. */
import { liveWithin_ms, type Spread, spreadOf } from '../journal.js'

export interface GroupFigures {
  readonly sent: number
  /** Acked with OK. */
  readonly acked: number
  /** Acked with something else, by res_code. */
  readonly refused: Readonly<Record<string, number>>
  /** Neither acked nor refused. */
  readonly unanswered: number
  /** First deliveries, to all members together. */
  readonly delivered: number
  /** Of these a second, from the first message's due time to the last delivery. */
  readonly perSecond: number
  /** Deliveries of acked messages that were not there before the first delivery check would make them again. */
  readonly lost: number
  /** Deliveries of a message to a member beyond the first. */
  readonly doubled: number
  /** First deliveries to a member with a number below that of an earlier one. */
  readonly outOfOrder: number
  /** From when a message was due to the sender's ack, to each member's delivery, and to the last member's. */
  readonly ack: Spread
  readonly each: Spread
  readonly last: Spread
  /** How late the generator itself was in sending. */
  readonly late: Spread
}

export interface GroupJournal {
  /** The next message is being sent; they are numbered 0, 1, 2 … @param sender the member who sends it */
  sent(sender: number, due_ms: number, now_ms: number): void
  /** @param code CIMResCode */
  answered(index: number, code: number, now_ms: number): void
  /** A member has it. @param number the message's server_msg_id */
  delivered(index: number, member: number, number: number, now_ms: number): void
  /** Messages that are neither refused nor acked and with every member. */
  open(): number
  /** When the oldest of these was due; undefined where there is none. */
  oldestDue_ms(): number | undefined
  figures(): GroupFigures
}

interface Message {
  readonly due: number
  readonly sent: number
  /** 1 for each member who has it, and for its sender. */
  readonly has: Uint8Array
  /** Members who have not. */
  missing: number
  answered: number | undefined
  code: number
  last: number
}

const isOk = ({ answered, code }: Message): boolean => answered !== undefined && code === 0
const isOpen = (message: Message): boolean =>
  message.answered === undefined || (message.code === 0 && message.missing > 0)

/** @param members how many are online, the senders among them */
export function openGroupJournal(members: number): GroupJournal {
  const messages: Message[] = []
  const delays: number[] = []
  /** The highest number that each member has. */
  const newest = new Float64Array(members)
  let firstOpen = 0
  let open = 0
  let late = 0
  let doubled = 0
  let outOfOrder = 0
  let lastDelivery = 0

  const change = (message: Message, by: () => void): void => {
    const wasOpen = isOpen(message)
    by()
    if (wasOpen && !isOpen(message)) open -= 1
  }

  return {
    sent(sender, due, sent) {
      const has = new Uint8Array(members)
      has[sender] = 1
      messages.push({ due, sent, has, missing: members - 1, answered: undefined, code: 0, last: due })
      open += 1
    },
    answered(index, code, now) {
      const message = messages[index]
      if (message === undefined || message.answered !== undefined) return
      change(message, () => {
        message.answered = now
        message.code = code
      })
    },
    delivered(index, member, number, now) {
      const message = messages[index]
      if (message === undefined) return
      if (message.has[member] === 1) {
        doubled += 1
        return
      }
      message.has[member] = 1
      message.last = lastDelivery = now
      delays.push(now - message.due)
      if (now - (message.answered ?? now) > liveWithin_ms) late += 1
      if (number < newest[member]!) outOfOrder += 1
      else newest[member] = number
      change(message, () => {
        message.missing -= 1
      })
    },
    open: () => open,
    oldestDue_ms() {
      while (firstOpen < messages.length && !isOpen(messages[firstOpen]!)) firstOpen += 1
      return messages[firstOpen]?.due
    },
    figures() {
      const refused: Record<string, number> = {}
      for (const message of messages)
        if (message.answered !== undefined && message.code !== 0)
          refused[message.code] = (refused[message.code] ?? 0) + 1
      const acked = messages.filter(isOk)
      const span_ms = lastDelivery - (messages[0]?.due ?? 0)
      return {
        sent: messages.length,
        acked: acked.length,
        refused,
        unanswered: messages.filter(({ answered }) => answered === undefined).length,
        delivered: delays.length,
        perSecond: span_ms > 0 ? (delays.length * 1000) / span_ms : 0,
        lost: late + acked.reduce((sum, { missing }) => sum + missing, 0),
        doubled,
        outOfOrder,
        ack: spreadOf(acked.map(({ answered, due }) => (answered ?? 0) - due)),
        each: spreadOf(delays),
        last: spreadOf(messages.filter(({ missing }) => missing === 0).map((each) => each.last - each.due)),
        late: spreadOf(messages.map(({ sent, due }) => sent - due)),
      }
    },
  }
}
