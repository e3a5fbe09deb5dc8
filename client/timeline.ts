/**
 * What was shown of each session: every number once, in rising order. Pure: it holds messages back and says what is
 * missing; who asks for it is client/catch-up.ts.
 */

interface Numbered {
  readonly session_id: number
  readonly server_msg_id: number
}

/** The highest number that was shown of each session, by session id. */
export type Positions = Readonly<Record<string, number>>

/** Numbers that are missing before one that is here; both ends included. */
export interface Hole {
  readonly session_id: number
  readonly from: number
  readonly to: number
}

export interface Timeline<Message extends Numbered> {
  /** One that was delivered, in whatever order. What may be shown now: nothing for a repeat or behind a hole. */
  arrived(message: Message): readonly Message[]
  /**
   * One that was pulled. Pulls come in rising order and leave nothing out that this user may see, so what lies
   * between is not there for them: a group's messages from before they joined.
   */
  pulled(message: Message): readonly Message[]
  /** Nothing more is to be had up to this number. What may be shown now. */
  passed(session_id: number, upTo: number): readonly Message[]
  /** Of every session that holds messages back. */
  holes(): readonly Hole[]
  positions(): Positions
}

/** @param shown where an earlier timeline ended */
export function createTimeline<Message extends Numbered>(shown: Positions = {}): Timeline<Message> {
  const last = new Map(Object.entries(shown).map(([id, number]) => [Number(id), number]))
  const held = new Map<number, Map<number, Message>>()
  const lastOf = (session_id: number) => last.get(session_id) ?? 0

  /** Those that follow without a hole on what was shown. */
  function released(session_id: number): Message[] {
    const waiting = held.get(session_id)
    const free: Message[] = []
    for (let next = waiting?.get(lastOf(session_id) + 1); next !== undefined; ) {
      free.push(next)
      waiting?.delete(next.server_msg_id)
      last.set(session_id, next.server_msg_id)
      next = waiting?.get(next.server_msg_id + 1)
    }
    if (waiting?.size === 0) held.delete(session_id)
    return free
  }

  function hold(message: Message): void {
    const waiting = held.get(message.session_id) ?? new Map<number, Message>()
    held.set(message.session_id, waiting.set(message.server_msg_id, message))
  }

  function passed(session_id: number, upTo: number): Message[] {
    const free: Message[] = []
    const waiting = [...(held.get(session_id) ?? [])].sort(([one], [other]) => one - other)
    for (const [number, message] of waiting)
      if (number <= upTo) {
        free.push(message)
        held.get(session_id)?.delete(number)
      }
    if (upTo > lastOf(session_id)) last.set(session_id, upTo)
    return [...free, ...released(session_id)]
  }

  return {
    arrived(message) {
      if (message.server_msg_id <= lastOf(message.session_id)) return []
      hold(message)
      return released(message.session_id)
    },
    pulled(message) {
      const { session_id, server_msg_id } = message
      if (server_msg_id <= lastOf(session_id)) return []
      hold(message)
      return passed(session_id, server_msg_id)
    },
    passed,
    holes: () =>
      [...held].map(([session_id, waiting]) => ({
        session_id,
        from: lastOf(session_id) + 1,
        to: Math.min(...waiting.keys()) - 1,
      })),
    positions: () => Object.fromEntries(last),
  }
}
