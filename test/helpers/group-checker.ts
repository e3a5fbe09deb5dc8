/**
 * Compares what the members of groups saw with what is stored: promises I1 … I4 and I6 (spec 2) for groups, never by
 * the program's own word. Who was a member when follows from the NOTIFICATION messages alone. Pure: its own test
 * plants what it has to find.
 */
import { CIM } from '../../proto/index.js'
import type { Journal, SessionRow } from './checker.js'
import type { JournalEntry } from './device.js'

const notification = CIM.Def.CIMMsgType.kCIM_MSG_TYPE_NOTIFICATION
const { kCIM_RES_CODE_OK, kCIM_RES_CODE_RATE_LIMITED, kCIM_RES_CODE_SERVER_BUSY } = CIM.Def.CIMResCode

/** A message of a group, named by its sender and msg_id. */
export interface GroupMessage {
  readonly group_id: number
  readonly msg_id: number
  readonly from: number
  readonly client_msg_id: string
}

export interface GroupMessageRow extends GroupMessage {
  readonly msg_type: number
  readonly content: Buffer
}

export interface MembershipRow {
  readonly group_id: number
  readonly user_id: number
  readonly joined_at_msg_id: number
  readonly left_at_msg_id: number | null
}

export interface StoredGroups {
  readonly messages: readonly GroupMessageRow[]
  /** The senders' rows. */
  readonly sent: readonly GroupMessage[]
  /** The members' rows. */
  readonly copies: readonly (GroupMessage & { readonly msg_to: number })[]
  readonly memberships: readonly MembershipRow[]
  readonly sessions: readonly SessionRow[]
  readonly counters: readonly { readonly group_id: number; readonly last_msg_id: number }[]
}

/** A command that was answered with SUCCESS. */
export interface Deed {
  readonly by: number
  readonly group_id: number
  readonly notification: string
  readonly members: readonly number[]
}

/** What a user pulled, in the order in which it came. */
export interface PulledBy {
  readonly user_id: number
  readonly messages: readonly GroupMessage[]
}

export interface GroupEvidence {
  readonly journals: readonly Journal[]
  readonly deeds: readonly Deed[]
  readonly stored: StoredGroups
  /** One per user and group. */
  readonly histories: readonly (PulledBy & { readonly group_id: number; readonly unread: number })[]
  /** Syncs from the beginning. */
  readonly synced: readonly PulledBy[]
  /** Syncs of a device that kept its cursor through everything, to the end. */
  readonly followed: readonly PulledBy[]
}

/** A reader of n is who has from ≤ n < until. */
interface Interval {
  readonly from: number
  readonly until: number
}
type Intervals = ReadonlyMap<string, readonly Interval[]>

const keyOf = (group_id: number, user_id: number): string => `${group_id}/${user_id}`
const nameOf = ({ from, client_msg_id }: { from: number; client_msg_id: string }) =>
  `${from}/${client_msg_id}`
const covers = ({ from, until }: Interval, n: number): boolean => from <= n && n < until
const rising = <Row extends { readonly msg_id: number }>(rows: readonly Row[]): Row[] =>
  [...rows].sort((a, b) => a.msg_id - b.msg_id)

const grouped = <Item, Key>(items: readonly Item[], key: (item: Item) => Key): Map<Key, Item[]> => {
  const groups = new Map<Key, Item[]>()
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item])
  return groups
}

/** Every promise that was broken, a line each; empty where all were kept. */
export function groupViolations(evidence: GroupEvidence): string[] {
  const { journals, stored } = evidence
  const intervals = intervalsOf(stored.messages)
  const entries = journals.flatMap((journal) => journal.entries.map((entry) => ({ ...entry, journal })))
  return [
    ...numberedWithoutHoles(stored),
    ...storedAsAcked(entries, stored),
    ...nothingMadeUp(entries, stored),
    ...numberedAsSent(entries),
    ...deedsDone(evidence.deeds, stored),
    ...membersAsTold(intervals, stored),
    ...copiesOfMembers(intervals, stored),
    ...receivedByMembers(journals, intervals, stored),
    ...unreadExact(intervals, stored),
    ...pulledAsStored(evidence, intervals),
  ]
}

interface Told {
  readonly notification: string
  readonly data: { readonly operator: string; readonly members: readonly string[] }
}
const told = ({ content }: GroupMessageRow): Told => JSON.parse(content.toString())
const changesOf = (messages: readonly GroupMessageRow[]) =>
  messages.filter(({ msg_type }) => msg_type === notification)

function intervalsOf(messages: readonly GroupMessageRow[]): Intervals {
  const intervals = new Map<string, Interval[]>()
  for (const row of rising(changesOf(messages))) {
    const { notification: kind, data } = told(row)
    for (const member of data.members.map(Number)) {
      const known = intervals.get(keyOf(row.group_id, member)) ?? []
      intervals.set(keyOf(row.group_id, member), known)
      if (kind === 'group.created' || kind === 'group.members_added')
        known.push({ from: row.msg_id, until: Number.POSITIVE_INFINITY })
      const last = known.at(-1)
      if (last && (kind === 'group.member_left' || kind === 'group.members_removed'))
        known[known.length - 1] = { ...last, until: Math.min(last.until, row.msg_id) }
    }
  }
  return intervals
}

/** I4: 1, 2, 3 … in each group, up to its counter. */
function numberedWithoutHoles({ messages, counters }: StoredGroups): string[] {
  const groups = grouped(messages, ({ group_id }) => group_id)
  return counters.flatMap(({ group_id, last_msg_id }) => {
    const rows = rising(groups.get(group_id) ?? [])
    const at = rows.findIndex(({ msg_id }, index) => msg_id !== index + 1)
    if (at >= 0) return [`group ${group_id} has ${rows[at]?.msg_id} where ${at + 1} belongs`]
    return rows.length === last_msg_id
      ? []
      : [`group ${group_id} counts to ${last_msg_id}, of ${rows.length}`]
  })
}

type Entry = JournalEntry & { readonly journal: Journal }
const named = ({ from_user_id, msg_id }: Entry) => `${from_user_id}/${msg_id}`

/** I1, I2: acked ⇒ one row with the acked number; refused ⇒ none. */
function storedAsAcked(entries: readonly Entry[], { messages, sent }: StoredGroups): string[] {
  const rows = grouped(messages, nameOf)
  const senders = grouped(sent, nameOf)
  return entries.flatMap((entry) => {
    if (entry.kind !== 'acked') return []
    const name = named(entry)
    const stored = rows.get(name) ?? []
    if (entry.res_code === kCIM_RES_CODE_OK) {
      const own = senders.get(name) ?? []
      if (stored.length !== 1 || own.length !== 1)
        return [`${name} was acked and has ${stored.length} rows, its sender ${own.length}`]
      const numbers = [entry.server_msg_id, stored[0]?.msg_id, own[0]?.msg_id]
      return new Set(numbers).size === 1 ? [] : [`${name} was acked, stored and kept as ${numbers}`]
    }
    const unknown =
      entry.res_code === kCIM_RES_CODE_SERVER_BUSY || entry.res_code === kCIM_RES_CODE_RATE_LIMITED
    return unknown || stored.length === 0 ? [] : [`${name} was refused with ${entry.res_code} and is stored`]
  })
}

/** No message that nobody sent, and none that differs from what was sent. */
function nothingMadeUp(entries: readonly Entry[], { messages }: StoredGroups): string[] {
  const sent = new Map(entries.filter(({ kind }) => kind === 'sent').map((entry) => [named(entry), entry]))
  return messages.flatMap((row) => {
    if (row.msg_type === notification) return []
    const entry = sent.get(nameOf(row))
    if (entry === undefined) return [`${nameOf(row)} is stored and was never sent`]
    if (entry.to_session_id !== row.group_id) return [`${nameOf(row)} is stored in another group`]
    return entry.msg_data?.equals(row.content) === false ? [`${nameOf(row)} is stored otherwise`] : []
  })
}

/** I4: what was acked before the next was sent has the smaller number. */
function numberedAsSent(entries: readonly Entry[]): string[] {
  const wrong: string[] = []
  const sends = entries.filter(({ kind }) => kind === 'sent')
  for (const own of grouped(sends, (each) => keyOf(each.to_session_id, each.from_user_id)).values()) {
    const { from_user_id: from, to_session_id: group } = own[0]!
    const acks = entries
      .filter((each) => each.kind === 'acked' && each.res_code === kCIM_RES_CODE_OK)
      .filter((each) => each.from_user_id === from && each.to_session_id === group)
      .sort((a, b) => a.at_ms - b.at_ms)
    const numbers = new Map(acks.map((each) => [each.msg_id, each.server_msg_id ?? 0]))
    let next = 0
    let highest = 0
    const firsts = [...grouped(own, ({ msg_id }) => msg_id).values()].map((each) =>
      each.reduce((a, b) => (a.at_ms <= b.at_ms ? a : b)),
    )
    for (const { msg_id, at_ms } of firsts.sort((a, b) => a.at_ms - b.at_ms)) {
      for (; acks[next] && acks[next]!.at_ms < at_ms; next++)
        highest = Math.max(highest, acks[next]?.server_msg_id ?? 0)
      const number = numbers.get(msg_id)
      if (number !== undefined && number < highest)
        wrong.push(`${from}/${msg_id} has ${number}, ${highest} was acked before it was sent`)
    }
  }
  return wrong
}

/** What was answered with SUCCESS is in the group's conversation, by who did it. */
function deedsDone(deeds: readonly Deed[], { messages }: StoredGroups): string[] {
  const changes = grouped(changesOf(messages), ({ group_id }) => group_id)
  return deeds.flatMap((deed) => {
    const found = (changes.get(deed.group_id) ?? []).map(told).some(
      ({ notification: kind, data }) =>
        kind === deed.notification &&
        // Who invites a member is answered that it is so, whoever did it.
        (kind === 'group.members_added' || Number(data.operator) === deed.by) &&
        deed.members.every((member) => data.members.includes(String(member))),
    )
    return found ? [] : [`${deed.by} was answered that ${deed.notification} of ${deed.members} is done`]
  })
}

/** The table of members says what the messages say. */
function membersAsTold(intervals: Intervals, { memberships }: StoredGroups): string[] {
  const rows = new Map(memberships.map((row) => [keyOf(row.group_id, row.user_id), row]))
  const keys = new Set([...rows.keys(), ...intervals.keys()])
  return [...keys].flatMap((key) => {
    const row = rows.get(key)
    const last = intervals.get(key)?.at(-1)
    const stored = row && `${row.joined_at_msg_id} … ${row.left_at_msg_id ?? Number.POSITIVE_INFINITY}`
    const due = last && `${last.from} … ${last.until}`
    return stored === due ? [] : [`${key} is a member of ${stored}, by the messages of ${due}`]
  })
}

/** I2, I3: one row for each member of each message of theirs, and for nobody else. */
function copiesOfMembers(intervals: Intervals, { copies, messages }: StoredGroups): string[] {
  const byName = new Map(copies.map((row) => [`${keyOf(row.group_id, row.msg_to)}/${row.msg_id}`, row]))
  const doubled = byName.size === copies.length ? [] : ['a member has two rows of one message']
  const foreign = copies.flatMap(({ group_id, msg_to, msg_id }) =>
    (intervals.get(keyOf(group_id, msg_to)) ?? []).some((each) => covers(each, msg_id))
      ? []
      : [`${msg_to} has a row of ${msg_id} in ${group_id}, and was no member`],
  )
  const missing = [...intervals].flatMap(([key, of]) => {
    const last = of.at(-1)
    const [group, user] = key.split('/').map(Number)
    return messages.flatMap(({ group_id, msg_id, from }) => {
      if (group_id !== group || from === user || !last || !covers(last, msg_id)) return []
      return byName.has(`${key}/${msg_id}`) ? [] : [`${user} has no row of ${msg_id} in ${group_id}`]
    })
  })
  return [...doubled, ...foreign, ...missing]
}

/** Nothing arrives that is not stored, with another number, or at who was no member of it. */
function receivedByMembers(
  journals: readonly Journal[],
  intervals: Intervals,
  { messages }: StoredGroups,
): string[] {
  const rows = new Map(messages.map((row) => [`${row.group_id}/${nameOf(row)}`, row]))
  return journals.flatMap(({ user_id, entries }) =>
    entries.flatMap(({ kind, from_user_id, to_session_id, msg_id, server_msg_id = 0 }) => {
      if (kind !== 'received') return []
      const row = rows.get(`${to_session_id}/${from_user_id}/${msg_id}`)
      if (row === undefined) return [`${user_id} received ${from_user_id}/${msg_id}, which is not stored`]
      if (row.msg_id !== server_msg_id) return [`${user_id} received ${row.msg_id} as ${server_msg_id}`]
      return (intervals.get(keyOf(to_session_id, user_id)) ?? []).some((each) => covers(each, row.msg_id))
        ? []
        : [`${user_id} received ${row.msg_id} of ${to_session_id}, and was no member`]
    }),
  )
}

/** I6: unread = what others said above the read position, as far as the latest membership goes. */
function unreadExact(intervals: Intervals, { messages, sessions }: StoredGroups): string[] {
  const groups = grouped(messages, ({ group_id }) => group_id)
  return sessions.flatMap(({ user_id, peer_id, unread, read_msg_id }) => {
    const last = intervals.get(keyOf(peer_id, user_id))?.at(-1)
    const exact = (groups.get(peer_id) ?? []).filter(
      ({ msg_id, from, msg_type }) =>
        last && covers(last, msg_id) && msg_id > read_msg_id && from !== user_id && msg_type !== notification,
    ).length
    return unread === exact ? [] : [`${user_id} counts ${unread} unread in ${peer_id}, there are ${exact}`]
  })
}

/** I3: history, sync and a kept cursor all end with the latest membership's messages, each once, in order. */
function pulledAsStored({ stored, ...pulled }: GroupEvidence, intervals: Intervals): string[] {
  const groups = grouped(stored.messages, ({ group_id }) => group_id)
  const unreadOf = new Map(
    stored.sessions.map(({ user_id, peer_id, unread }) => [keyOf(peer_id, user_id), unread]),
  )
  const due = (group_id: number, user_id: number): string[] => {
    const last = intervals.get(keyOf(group_id, user_id))?.at(-1)
    return rising(groups.get(group_id) ?? [])
      .filter(({ msg_id }) => last && covers(last, msg_id))
      .map((row) => `${row.msg_id} ${nameOf(row)}`)
  }
  const compare = (what: string, user_id: number, group_id: number, rows: readonly GroupMessage[]) => {
    const expected = due(group_id, user_id)
    const from = Number(expected[0]?.split(' ')[0] ?? 0)
    // Who kept a cursor has what an earlier membership covered, too.
    const counted = what === 'kept its cursor for' ? rows.filter(({ msg_id }) => msg_id >= from) : rows
    const actual = counted.map((row) => `${row.msg_id} ${nameOf(row)}`)
    const length = Math.max(expected.length, actual.length)
    const at = Array.from({ length }, (_, index) => index).find((index) => expected[index] !== actual[index])
    const inGroup = `${user_id} ${what} ${actual[at ?? 0] ?? 'nothing'} where ${expected[at ?? 0] ?? 'nothing'}`
    return at === undefined ? [] : [`${inGroup} belongs, in ${group_id}`]
  }
  const streams = (what: string, all: readonly PulledBy[]) =>
    all.flatMap(({ user_id, messages }) => {
      const mine = [...intervals.keys()]
        .map((key) => key.split('/').map(Number))
        .filter(([, u]) => u === user_id)
      return mine.flatMap(([group_id = 0]) =>
        compare(
          what,
          user_id,
          group_id,
          messages.filter((each) => each.group_id === group_id),
        ),
      )
    })
  return [
    ...pulled.histories.flatMap(({ user_id, group_id, messages, unread }) => [
      ...compare('pulled', user_id, group_id, messages),
      ...(unread === unreadOf.get(keyOf(group_id, user_id))
        ? []
        : [`${user_id} pulled ${unread} unread of ${group_id}`]),
    ]),
    ...streams('synced', pulled.synced),
    ...streams('kept its cursor for', pulled.followed),
  ]
}
