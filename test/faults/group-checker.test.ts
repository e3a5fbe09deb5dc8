/** The checker of groups finds what is planted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JournalEntry } from '../helpers/device.js'
import { type GroupEvidence, type GroupMessageRow, groupViolations } from '../helpers/group-checker.js'

const group_id = 2 ** 48
const [ann, bob, cy] = [1, 2, 3]

type Changeable<T> = T extends readonly (infer Item)[]
  ? Changeable<Item>[]
  : T extends Buffer
    ? Buffer
    : T extends object
      ? { -readonly [Key in keyof T]: Changeable<T[Key]> }
      : T
type History = Changeable<GroupEvidence>

const change = (msg_id: number, kind: string, members: readonly number[]): GroupMessageRow => ({
  group_id,
  msg_id,
  from: ann,
  client_msg_id: `g:${msg_id}`,
  msg_type: 6,
  content: Buffer.from(
    JSON.stringify({ notification: kind, data: { operator: String(ann), members: members.map(String) } }),
  ),
})
const said = (msg_id: number, from: number): GroupMessageRow => ({
  group_id,
  msg_id,
  from,
  client_msg_id: `m${msg_id}`,
  msg_type: 1,
  content: Buffer.from(`text ${msg_id}`),
})

/** Ann made a group with Bob, brought Cy in and removed Bob; Bob was gone when Cy spoke, and knows nothing of it. */
const messages: readonly GroupMessageRow[] = [
  change(1, 'group.created', [ann, bob]),
  said(2, ann),
  change(3, 'group.members_added', [cy]),
  said(4, bob),
  change(5, 'group.members_removed', [bob]),
  said(6, cy),
  said(7, cy),
]
const seenBy: readonly (readonly [number, readonly number[]])[] = [
  [ann, [1, 2, 3, 4, 5, 6, 7]],
  [bob, [1, 2, 3, 4]],
  [cy, [3, 4, 5, 6, 7]],
]
/** Ann has read up to 4, Bob nothing, Cy all. */
const sessions: readonly (readonly [number, number, number])[] = [
  [ann, 4, 2],
  [bob, 0, 1],
  [cy, 7, 0],
]
const rowsOf = (numbers: readonly number[]) =>
  messages
    .filter(({ msg_id }) => numbers.includes(msg_id))
    .map(({ msg_id, from, client_msg_id }) => ({ group_id, msg_id, from, client_msg_id }))

const entriesOf = (user: number, numbers: readonly number[]): JournalEntry[] =>
  messages.flatMap((row): JournalEntry[] => {
    const { from, msg_id: server_msg_id, client_msg_id: msg_id, msg_type, content: msg_data } = row
    const names = { from_user_id: from, to_session_id: group_id, msg_id }
    const at_ms = 10 * server_msg_id
    if (!numbers.includes(server_msg_id)) return []
    if (from !== user || msg_type === 6)
      return [{ ...names, kind: 'received', at_ms: at_ms + 7, server_msg_id, msg_data }]
    return [
      { ...names, kind: 'sent', at_ms, msg_data },
      { ...names, kind: 'acked', at_ms: at_ms + 5, res_code: 0, server_msg_id },
    ]
  })

function kept(): History {
  const pulled = () => seenBy.map(([user_id, numbers]) => ({ user_id, messages: rowsOf(numbers) }))
  const evidence: GroupEvidence = {
    journals: seenBy.map(([user_id, numbers]) => ({ user_id, entries: entriesOf(user_id, numbers) })),
    deeds: [{ by: ann, group_id, notification: 'group.members_removed', members: [bob] }],
    stored: {
      messages: messages.map((row) => ({ ...row })),
      sent: rowsOf([1, 2, 3, 4, 5, 6, 7]),
      copies: seenBy.flatMap(([msg_to, numbers]) =>
        rowsOf(numbers)
          .filter(({ from }) => from !== msg_to)
          .map((row) => ({ ...row, msg_to })),
      ),
      memberships: [
        { group_id, user_id: ann, joined_at_msg_id: 1, left_at_msg_id: null },
        { group_id, user_id: bob, joined_at_msg_id: 1, left_at_msg_id: 5 },
        { group_id, user_id: cy, joined_at_msg_id: 3, left_at_msg_id: null },
      ],
      sessions: sessions.map(([user_id, read_msg_id, unread]) => ({
        user_id,
        peer_id: group_id,
        read_msg_id,
        unread,
        last_msg_id: 7,
      })),
      counters: [{ group_id, last_msg_id: 7 }],
    },
    histories: pulled().map((each, at) => ({ ...each, group_id, unread: sessions[at]![2] })),
    synced: pulled(),
    followed: pulled(),
  }
  return evidence as History
}

const of = <Row extends { msg_id: number }>(rows: Row[], msg_id: number): Row =>
  rows.find((row) => row.msg_id === msg_id)!
const without = <Row extends { msg_id: number }>(rows: Row[], msg_id: number) =>
  void rows.splice(rows.indexOf(of(rows, msg_id)), 1)

/** What must be found, by the name of what is planted. */
const planted: Record<string, { plant(history: History): void; found: RegExp }> = {
  'an acked message that is lost': {
    plant({ stored }) {
      without(stored.messages, 7)
      stored.counters[0]!.last_msg_id = 6
    },
    found: /3\/m7 was acked and has 0 rows/,
  },
  'an acked message that is stored twice': {
    plant({ stored }) {
      stored.messages.push({ ...of(stored.messages, 7), msg_id: 8 })
      stored.counters[0]!.last_msg_id = 8
    },
    found: /3\/m7 was acked and has 2 rows/,
  },
  'an ack with another number': {
    plant: ({ journals }) =>
      void journals[2]!.entries.push({ ...journals[2]!.entries.at(-1)!, server_msg_id: 9 }),
    found: /3\/m7 was acked, stored and kept as 9,7,7/,
  },
  'a refused message that is stored': {
    plant({ journals }) {
      const ack = journals[2]!.entries.at(-1)!
      ack.res_code = 4
    },
    found: /3\/m7 was refused with 4/,
  },
  'a message that nobody sent': {
    plant({ stored }) {
      stored.messages.push(said(8, ann))
      stored.counters[0]!.last_msg_id = 8
    },
    found: /1\/m8 is stored and was never sent/,
  },
  'another content': {
    plant({ stored }) {
      of(stored.messages, 2).content = Buffer.from('else')
    },
    found: /1\/m2 is stored otherwise/,
  },
  'a gap in the numbers': {
    plant({ stored }) {
      of(stored.messages, 7).msg_id = 8
    },
    found: /has 8 where 7 belongs/,
  },
  'numbers against the order of sending': {
    plant(history) {
      for (const row of [history.stored.messages, history.stored.sent].flat())
        if (row.msg_id > 5) row.msg_id = 13 - row.msg_id
      for (const entry of history.journals.flatMap(({ entries }) => entries))
        if (entry.server_msg_id && entry.server_msg_id > 5) entry.server_msg_id = 13 - entry.server_msg_id
    },
    found: /3\/m7 has 6, 7 was acked before it was sent/,
  },
  'a deed that was answered and not done': {
    plant: ({ deeds }) =>
      void deeds.push({ by: ann, group_id, notification: 'group.members_added', members: [4] }),
    found: /1 was answered that group.members_added of 4 is done/,
  },
  'a membership that no message tells': {
    plant({ stored }) {
      stored.memberships[1]!.left_at_msg_id = null
    },
    found: /2 is a member of 1 … Infinity, by the messages of 1 … 5/,
  },
  'a member without a row': {
    plant({ stored }) {
      stored.copies = stored.copies.filter(({ msg_to, msg_id }) => msg_to !== ann || msg_id !== 6)
    },
    found: /1 has no row of 6/,
  },
  'a row of who was no member': {
    plant: ({ stored }) => void stored.copies.push({ ...of(stored.copies, 6), msg_to: bob }),
    found: /2 has a row of 6 in \d+, and was no member/,
  },
  'a member with two rows': {
    plant: ({ stored }) => void stored.copies.push({ ...stored.copies[0]! }),
    found: /two rows/,
  },
  'a message that came to who had been removed': {
    plant({ journals }) {
      const entry = journals[0]!.entries.find(({ server_msg_id }) => server_msg_id === 6)!
      journals[1]!.entries.push({ ...entry })
    },
    found: /2 received 6 of \d+, and was no member/,
  },
  'a message that came to who joined later': {
    plant({ journals }) {
      const entry = journals[1]!.entries.find(({ server_msg_id }) => server_msg_id === 2)!
      journals[2]!.entries.push({ ...entry })
    },
    found: /3 received 2 of \d+, and was no member/,
  },
  'a message that came with another number': {
    plant({ journals }) {
      journals[1]!.entries.find(({ server_msg_id }) => server_msg_id === 2)!.server_msg_id = 3
    },
    found: /2 received 2 as 3/,
  },
  'an unread count that is too high': {
    plant: ({ stored }) => void stored.sessions[0]!.unread++,
    found: /1 counts 3 unread in \d+, there are 2/,
  },
  'an unread count that is pulled otherwise': {
    plant: ({ histories }) => void histories[0]!.unread++,
    found: /1 pulled 3 unread/,
  },
  'a history that lacks one': {
    plant: ({ histories }) => without(histories[0]!.messages, 4),
    found: /1 pulled 5 1\/g:5 where 4 2\/m4 belongs/,
  },
  'a history that shows who left what came after': {
    plant: ({ histories }) => void histories[1]!.messages.push(...rowsOf([5])),
    found: /2 pulled 5 1\/g:5 where nothing belongs/,
  },
  'a history that shows one twice': {
    plant: ({ histories }) => void histories[2]!.messages.push(...rowsOf([7])),
    found: /3 pulled 7 3\/m7 where nothing belongs/,
  },
  'a sync that skips one': {
    plant: ({ synced }) => without(synced[2]!.messages, 5),
    found: /3 synced 6 3\/m6 where 5 1\/g:5 belongs/,
  },
  'a sync in another order': {
    plant: ({ synced }) => void synced[0]!.messages.reverse(),
    found: /1 synced 7 3\/m7 where 1 1\/g:1 belongs/,
  },
  'a kept cursor that brings one again': {
    plant: ({ followed }) => void followed[2]!.messages.push(...rowsOf([6])),
    found: /3 kept its cursor for 6 3\/m6 where nothing belongs/,
  },
}

test('a history in which every promise was kept is found to be one', () =>
  assert.deepEqual(groupViolations(kept()), []))

test('who joins again sees a new horizon; what they had before is theirs, and not shown again', () => {
  const history = kept()
  const { stored, followed } = history
  stored.messages.push(change(8, 'group.members_added', [bob]))
  stored.sent.push({ group_id, msg_id: 8, from: ann, client_msg_id: 'g:8' })
  stored.counters[0]!.last_msg_id = 8
  stored.memberships[1] = { group_id, user_id: bob, joined_at_msg_id: 8, left_at_msg_id: null }
  stored.sessions[1] = { ...stored.sessions[1]!, unread: 0, read_msg_id: 7 }
  const last = { group_id, msg_id: 8, from: ann, client_msg_id: 'g:8' }
  for (const user of [bob, cy]) stored.copies.push({ ...last, msg_to: user })
  for (const at of [0, 2])
    for (const each of [history.histories, history.synced, followed]) each[at]!.messages.push({ ...last })
  for (const each of [history.histories, history.synced]) each[1]!.messages = [{ ...last }]
  history.histories[1]!.unread = 0
  followed[1]!.messages.push({ ...last })
  assert.deepEqual(groupViolations(history), [])
})

for (const [what, { plant, found }] of Object.entries(planted))
  test(`found: ${what}`, () => {
    const history = kept()
    plant(history)
    assert.match(groupViolations(history).join('\n'), found)
  })
