/** What happened to each message of one run, and the figures that follow from it. Times in ms. */

/** Middle, 99th percentile and largest, in ms; null where nothing was measured. */
export interface Spread {
  readonly p50: number | null
  readonly p99: number | null
  readonly max: number | null
}

export interface Figures {
  readonly sent: number
  /** Acked with OK. */
  readonly acked: number
  readonly delivered: number
  /** Deliveries a second: of a closed loop within its time, of an open one until the last delivery. */
  readonly perSecond: number
  /** Acked with something else, by res_code. */
  readonly refused: Readonly<Record<string, number>>
  /** Neither acked nor refused. */
  readonly unanswered: number
  /** Acked, and not delivered live before the first delivery check would deliver it again. */
  readonly lost: number
  /** Deliveries of a message beyond its first. */
  readonly doubled: number
  /** First deliveries that came after one that was sent later to the same receiver. */
  readonly outOfOrder: number
  /** From when it was due to the sender's ack, and to the first delivery. */
  readonly ack: Spread
  readonly delivery: Spread
  /** How late the generator itself was in sending. */
  readonly late: Spread
}

/** Less than the 5 s of the first delivery check: what that check repairs was lost to the live path. */
export const liveWithin_ms = 4_000

export interface Journal {
  /** The next message is being sent; they are numbered 0, 1, 2 … */
  sent(pair: number, due_ms: number, now_ms: number): void
  /**
   * Its answer. Returns its pair when it is through by that: refused, or acked and delivered.
   * @param code CIMResCode
   */
  answered(index: number, code: number, now_ms: number): number | undefined
  /** It arrived. Returns its pair when it is through by that. */
  delivered(index: number, now_ms: number): number | undefined
  /** Messages that are not through. */
  open(): number
  /** @param span_ms time in which deliveries count towards `perSecond`; Infinity: until the last one */
  figures(span_ms: number): Figures
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? null
  return { p50: at(0.5), p99: at(0.99), max: sorted[sorted.length - 1] ?? null }
}

interface Message {
  readonly pair: number
  readonly due: number
  readonly sent: number
  answered: number | undefined
  code: number
  delivered: number | undefined
}

function deliveriesPerSecond(messages: readonly Message[], span_ms: number): number {
  const begin = messages[0]?.due ?? 0
  let count = 0
  let last = 0
  for (const { delivered } of messages) {
    if (delivered === undefined || delivered - begin > span_ms) continue
    count += 1
    last = Math.max(last, delivered - begin)
  }
  const time_ms = span_ms === Number.POSITIVE_INFINITY ? last : span_ms
  return time_ms > 0 ? (count * 1000) / time_ms : 0
}

export function openJournal(): Journal {
  const messages: Message[] = []
  const newest = new Map<number, number>()
  let open = 0
  let doubled = 0
  let outOfOrder = 0
  const isOk = (message: Message) => message.answered !== undefined && message.code === 0
  const through = ({ pair }: Message) => {
    open -= 1
    return pair
  }
  const isLost = (message: Message) =>
    isOk(message) &&
    (message.delivered === undefined || message.delivered - (message.answered ?? 0) > liveWithin_ms)

  return {
    sent(pair, due, sent) {
      open += 1
      messages.push({ pair, due, sent, answered: undefined, code: 0, delivered: undefined })
    },
    answered(index, code, now) {
      const message = messages[index]
      if (message === undefined || message.answered !== undefined) return undefined
      message.answered = now
      message.code = code
      return code !== 0 || message.delivered !== undefined ? through(message) : undefined
    },
    delivered(index, now) {
      const message = messages[index]
      if (message === undefined) return undefined
      if (message.delivered !== undefined) {
        doubled += 1
        return undefined
      }
      message.delivered = now
      const before = newest.get(message.pair) ?? -1
      if (index < before) outOfOrder += 1
      else newest.set(message.pair, index)
      return isOk(message) ? through(message) : undefined
    },
    open: () => open,
    figures(span_ms) {
      const refused: Record<string, number> = {}
      for (const message of messages)
        if (message.answered !== undefined && message.code !== 0)
          refused[message.code] = (refused[message.code] ?? 0) + 1
      const delivered = messages.filter((message) => message.delivered !== undefined)
      const acked = messages.filter(isOk)
      return {
        sent: messages.length,
        acked: acked.length,
        delivered: delivered.length,
        perSecond: deliveriesPerSecond(messages, span_ms),
        refused,
        unanswered: messages.filter((message) => message.answered === undefined).length,
        lost: messages.filter(isLost).length,
        doubled,
        outOfOrder,
        ack: spreadOf(acked.map((message) => (message.answered ?? 0) - message.due)),
        delivery: spreadOf(delivered.map((message) => (message.delivered ?? 0) - message.due)),
        late: spreadOf(messages.map((message) => message.sent - message.due)),
      }
    },
  }
}
