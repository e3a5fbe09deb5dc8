/**
 * Compares what clients saw with what is stored: promises I1, I2, I4 and I6 (spec 2), never by the program's own
 * word. Pure: its own test plants what it has to find.
 */
import { pairConversation } from '../../schemas/ids.js'
import type { JournalEntry } from './device.js'

/** What one connection of a user saw. */
export interface Journal {
  readonly user_id: number
  readonly entries: readonly JournalEntry[]
  /** ms, monotonic; absent while the connection is open. */
  readonly closed_at_ms?: number
}

export interface SendRow {
  readonly from_id: number
  readonly to_id: number
  readonly client_msg_id: string
  readonly msg_id: number
  readonly msg_content: Buffer
}

export interface ReceiveRow {
  readonly msg_to: number
  readonly msg_from: number
  readonly conversation: string
  readonly client_msg_id: string
  readonly msg_id: number
  readonly content: Buffer
}

export interface SessionRow {
  readonly user_id: number
  readonly peer_id: number
  readonly unread: number
  readonly read_msg_id: number
  readonly last_msg_id: number
}

export interface Stored {
  readonly sent: readonly SendRow[]
  readonly received: readonly ReceiveRow[]
  readonly sessions: readonly SessionRow[]
  readonly counters: readonly { readonly conversation: string; readonly last_msg_id: number }[]
}

export interface PulledMessage {
  readonly from_user_id: number
  readonly client_msg_id: string
  readonly server_msg_id: number
}

/** The whole history with one peer and the session's unread count, as one user pulled them. */
export interface Pulled {
  readonly user_id: number
  readonly peer_id: number
  readonly messages: readonly PulledMessage[]
  readonly unread: number
}

export interface Evidence {
  readonly journals: readonly Journal[]
  readonly stored: Stored
  readonly pulled: readonly Pulled[]
  /** Every send is answered, or its connection closed, within this. Not checked where it is absent. */
  readonly answerWithin_ms?: number
}

interface Message {
  readonly from: number
  readonly to: number
  readonly msg_id: string
  readonly content: Buffer | undefined
  readonly firstSent_ms: number
  firstAcked_ms: number
  /** From the acks that were OK. */
  readonly numbers: Set<number>
}

const nameOf = (from: number, msg_id: string): string => `${from}/${msg_id}`

/** Every promise that was broken, a line each; empty where all were kept. */
export function violations(evidence: Evidence): string[] {
  const messages = sentMessages(evidence.journals)
  return [
    ...acksOfNothing(evidence.journals, messages),
    ...storedAsAcked(messages, evidence.stored),
    ...storedOnce(evidence.stored),
    ...nothingMadeUp(messages, evidence.stored),
    ...numberedWithoutHoles(evidence.stored),
    ...numberedAsSent(messages),
    ...receivedAsStored(evidence.journals, evidence.stored),
    ...unreadExact(evidence.stored),
    ...pulledAsStored(evidence.pulled, evidence.stored),
    ...answeredInTime(evidence),
  ]
}

/** Every message that was ever sent, by name, with what was acked. */
function sentMessages(journals: readonly Journal[]): Map<string, Message> {
  const messages = new Map<string, Message>()
  const entries = journals.flatMap((journal) => journal.entries).sort((a, b) => a.at_ms - b.at_ms)
  for (const { kind, at_ms, from_user_id: from, to_session_id: to, msg_id, msg_data, ...ack } of entries) {
    const known = messages.get(nameOf(from, msg_id))
    if (kind === 'sent' && known === undefined) {
      const times = { firstSent_ms: at_ms, firstAcked_ms: Number.POSITIVE_INFINITY }
      messages.set(nameOf(from, msg_id), {
        from,
        to,
        msg_id,
        content: msg_data,
        ...times,
        numbers: new Set(),
      })
    }
    if (kind !== 'acked' || ack.res_code !== 0 || known === undefined) continue
    known.firstAcked_ms = Math.min(known.firstAcked_ms, at_ms)
    known.numbers.add(ack.server_msg_id ?? 0)
  }
  return messages
}

const acksOfNothing = (journals: readonly Journal[], messages: ReadonlyMap<string, Message>): string[] =>
  journals.flatMap(({ user_id, entries }) =>
    entries
      .filter(({ kind }) => kind === 'acked')
      .filter(({ from_user_id, msg_id }) => !messages.has(nameOf(from_user_id, msg_id)))
      .map(({ msg_id }) => `${user_id} got an ack of ${msg_id}, which was never sent`),
  )

/** I1, I2: acked ⇒ one row with the acked number for the sender, one for the reader, with what was sent. */
function storedAsAcked(messages: ReadonlyMap<string, Message>, stored: Stored): string[] {
  const sendRows = new Map(stored.sent.map((row) => [nameOf(row.from_id, row.client_msg_id), row]))
  const readRows = new Map(stored.received.map((row) => [nameOf(row.msg_from, row.client_msg_id), row]))
  return [...messages].flatMap(([name, message]) => {
    const [number, ...others] = message.numbers
    if (number === undefined) return []
    const sent = sendRows.get(name)
    const read = readRows.get(name)
    const wrong: string[] = []
    if (others.length > 0) wrong.push(`was acked with ${[number, ...others].join(' and ')}`)
    if (sent === undefined) wrong.push('was acked and is lost')
    else if (sent.msg_id !== number) wrong.push(`was acked with ${number} and is stored as ${sent.msg_id}`)
    if (message.to === message.from) return wrong.map((what) => `${name} ${what}`)
    if (read === undefined) wrong.push('was acked and has no row for its reader')
    else if (read.msg_id !== number) wrong.push(`was acked with ${number}, its reader has ${read.msg_id}`)
    return wrong.map((what) => `${name} ${what}`)
  })
}

/** What occurs more than once, with how often. */
function repeated(names: readonly string[]): [string, number][] {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].filter(([, count]) => count > 1)
}

/** I2 */
const storedOnce = ({ sent, received }: Stored): string[] => [
  ...repeated(sent.map((row) => nameOf(row.from_id, row.client_msg_id))).map(
    ([name, count]) => `${name} is stored ${count} times`,
  ),
  ...repeated(received.map((row) => `${nameOf(row.msg_from, row.client_msg_id)} for ${row.msg_to}`)).map(
    ([name, count]) => `${name} is stored ${count} times`,
  ),
]

/** No row that nobody sent, and none that differs from what was sent. */
function nothingMadeUp(messages: ReadonlyMap<string, Message>, { sent, received }: Stored): string[] {
  const rows = [
    ...sent.map((row) => ({ ...row, from: row.from_id, to: row.to_id, content: row.msg_content })),
    ...received.map((row) => ({ ...row, from: row.msg_from, to: row.msg_to })),
  ]
  return rows.flatMap(({ from, to, client_msg_id, content }) => {
    const name = nameOf(from, client_msg_id)
    const message = messages.get(name)
    if (message === undefined) return [`${name} is stored and was never sent`]
    if (message.to !== to) return [`${name} was sent to ${message.to} and is stored for ${to}`]
    return message.content?.equals(content) === false ? [`${name} is stored with another content`] : []
  })
}

const grouped = <Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> => {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}

/** I4: 1, 2, 3 … in each conversation, up to its counter; the reader's row has the sender's number. */
function numberedWithoutHoles({ sent, received, counters }: Stored): string[] {
  const conversations = grouped(sent, (row) => pairConversation(row.from_id, row.to_id))
  const wrong: string[] = []
  for (const [conversation, rows] of conversations) {
    const numbers = rows.map((row) => row.msg_id).sort((a, b) => a - b)
    const at = numbers.findIndex((number, index) => number !== index + 1)
    if (at >= 0) wrong.push(`${conversation} has ${numbers[at]} where ${at + 1} belongs`)
    const last = counters.find((counter) => counter.conversation === conversation)?.last_msg_id
    if (last !== numbers.at(-1))
      wrong.push(`${conversation} counts to ${last}, its rows to ${numbers.at(-1)}`)
  }
  const numberOf = new Map(sent.map((row) => [nameOf(row.from_id, row.client_msg_id), row.msg_id]))
  for (const { msg_from, client_msg_id, msg_id } of received) {
    const number = numberOf.get(nameOf(msg_from, client_msg_id))
    if (number !== msg_id) wrong.push(`${nameOf(msg_from, client_msg_id)} is ${number} and, read, ${msg_id}`)
  }
  return wrong
}

/** I4: what was acked before the next was sent has the smaller number. */
function numberedAsSent(messages: ReadonlyMap<string, Message>): string[] {
  const acked = [...messages.values()].filter(({ numbers }) => numbers.size > 0)
  const wrong: string[] = []
  for (const own of grouped(acked, ({ from, to }) => `${from}:${to}`).values()) {
    const bySent = [...own].sort((a, b) => a.firstSent_ms - b.firstSent_ms)
    const byAcked = [...own].sort((a, b) => a.firstAcked_ms - b.firstAcked_ms)
    let done = 0
    let highest: { number: number; name: string } = { number: 0, name: '' }
    for (const message of bySent) {
      for (; byAcked[done] && byAcked[done]!.firstAcked_ms < message.firstSent_ms; done++) {
        const number = Math.max(...byAcked[done]!.numbers)
        if (number > highest.number) highest = { number, name: byAcked[done]!.msg_id }
      }
      const number = Math.min(...message.numbers)
      if (number < highest.number)
        wrong.push(`${message.msg_id} has ${number}, ${highest.name}, acked before, ${highest.number}`)
    }
  }
  return wrong
}

/** Nothing arrives that is not stored, for somebody else, or with another number. */
function receivedAsStored(journals: readonly Journal[], { sent }: Stored): string[] {
  const rows = new Map(sent.map((row) => [nameOf(row.from_id, row.client_msg_id), row]))
  return journals.flatMap(({ user_id, entries }) =>
    entries.flatMap(({ kind, from_user_id, to_session_id, msg_id, server_msg_id }) => {
      if (kind !== 'received') return []
      const name = nameOf(from_user_id, msg_id)
      const row = rows.get(name)
      if (row === undefined) return [`${user_id} received ${name}, which is not stored`]
      if (row.to_id !== to_session_id || ![row.to_id, row.from_id].includes(user_id))
        return [`${user_id} received ${name}, which is for ${row.to_id}`]
      return row.msg_id === server_msg_id ? [] : [`${user_id} received ${name} as ${server_msg_id}`]
    }),
  )
}

/** I6: unread = the rows above the read position; a session's last number is its conversation's. */
function unreadExact({ received, sent, sessions }: Stored): string[] {
  const toRead = grouped(received, (row) => `${row.msg_to}:${row.msg_from}`)
  const said = grouped(sent, (row) => pairConversation(row.from_id, row.to_id))
  const listed = new Set(sessions.map(({ user_id, peer_id }) => `${user_id}:${peer_id}`))
  const missing = [...toRead.keys()].filter((key) => !listed.has(key))
  return [
    ...missing.map((key) => `${key} has messages and no session`),
    ...sessions.flatMap(({ user_id, peer_id, unread, read_msg_id, last_msg_id }) => {
      const rows = toRead.get(`${user_id}:${peer_id}`) ?? []
      const exact = rows.filter((row) => row.msg_id > read_msg_id).length
      const numbers = (said.get(pairConversation(user_id, peer_id)) ?? []).map((row) => row.msg_id)
      const last = Math.max(0, ...numbers)
      return [
        ...(unread === exact ? [] : [`${user_id}:${peer_id} counts ${unread} unread, there are ${exact}`]),
        ...(last_msg_id === last ? [] : [`${user_id}:${peer_id} ends with ${last_msg_id}, not ${last}`]),
      ]
    }),
  ]
}

/** I3, I6: each reader's history is the whole conversation, each message once, in order; unread as stored. */
function pulledAsStored(pulled: readonly Pulled[], { sent, sessions }: Stored): string[] {
  const conversations = grouped(sent, (row) => pairConversation(row.from_id, row.to_id))
  const unreadOf = new Map(sessions.map((row) => [`${row.user_id}:${row.peer_id}`, row.unread]))
  return pulled.flatMap(({ user_id, peer_id, messages, unread }) => {
    const rows = conversations.get(pairConversation(user_id, peer_id)) ?? []
    const expected = [...rows]
      .sort((a, b) => a.msg_id - b.msg_id)
      .map((row) => `${row.msg_id} ${nameOf(row.from_id, row.client_msg_id)}`)
    const actual = messages.map(
      (each) => `${each.server_msg_id} ${nameOf(each.from_user_id, each.client_msg_id)}`,
    )
    const at = expected.findIndex((line, index) => line !== actual[index])
    const due = unreadOf.get(`${user_id}:${peer_id}`) ?? 0
    return [
      ...(at < 0 ? [] : [`${user_id} pulled ${actual[at] ?? 'nothing'} where ${expected[at]} belongs`]),
      ...(actual.length > expected.length
        ? [`${user_id} pulled ${actual.length} of ${expected.length}`]
        : []),
      ...(unread === due ? [] : [`${user_id} pulled ${unread} unread of ${peer_id}, stored are ${due}`]),
    ]
  })
}

/** A true answer in time: an ack of any kind, or the end of the connection. */
function answeredInTime({ journals, answerWithin_ms }: Evidence): string[] {
  if (answerWithin_ms === undefined) return []
  return journals.flatMap(({ user_id, entries, closed_at_ms = Number.POSITIVE_INFINITY }) => {
    const acks = grouped(
      entries.filter(({ kind }) => kind === 'acked'),
      ({ msg_id }) => msg_id,
    )
    return entries.flatMap(({ kind, msg_id, at_ms }) => {
      if (kind !== 'sent') return []
      const answers = (acks.get(msg_id) ?? []).map((ack) => ack.at_ms).filter((time) => time >= at_ms)
      const waited = Math.min(closed_at_ms, ...answers) - at_ms
      return waited <= answerWithin_ms ? [] : [`${user_id} waited ${waited} ms for an answer to ${msg_id}`]
    })
  })
}
