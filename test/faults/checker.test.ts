/** The checker of the fault tests finds what is planted. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Evidence, type Journal, violations } from '../helpers/checker.js'
import type { JournalEntry } from '../helpers/device.js'

const [ann, bob] = [1, 2]
const conversation = 'c:1:2'
const content = (number: number) => Buffer.from(`text ${number}`)

type Changeable<T> = T extends readonly (infer Item)[]
  ? Changeable<Item>[]
  : T extends Buffer
    ? Buffer
    : T extends object
      ? { -readonly [Key in keyof T]: Changeable<T[Key]> }
      : T

/** Ann sent Bob three messages; he received them, and has read the first. Each was acked before the next was sent. */
function kept(): Changeable<Evidence> {
  const numbers = [1, 2, 3]
  const names = (number: number) => ({ from_user_id: ann, to_session_id: bob, msg_id: `m${number}` })
  const entries = numbers.flatMap((number): JournalEntry[] => [
    { ...names(number), kind: 'sent', at_ms: 10 * number, msg_data: content(number) },
    { ...names(number), kind: 'acked', at_ms: 10 * number + 5, res_code: 0, server_msg_id: number },
  ])
  const received = numbers.map(
    (number): JournalEntry => ({
      ...names(number),
      kind: 'received',
      at_ms: 10 * number + 7,
      server_msg_id: number,
      msg_data: content(number),
    }),
  )
  const messages = numbers.map((number) => ({
    from_user_id: ann,
    client_msg_id: `m${number}`,
    server_msg_id: number,
  }))
  const session = { last_msg_id: 3 }
  return {
    journals: [
      { user_id: ann, entries },
      { user_id: bob, entries: received },
    ],
    stored: {
      sent: numbers.map((number) => ({
        from_id: ann,
        to_id: bob,
        client_msg_id: `m${number}`,
        msg_id: number,
        msg_content: content(number),
      })),
      received: numbers.map((number) => ({
        msg_to: bob,
        msg_from: ann,
        conversation,
        client_msg_id: `m${number}`,
        msg_id: number,
        content: content(number),
      })),
      sessions: [
        { ...session, user_id: ann, peer_id: bob, unread: 0, read_msg_id: 0 },
        { ...session, user_id: bob, peer_id: ann, unread: 2, read_msg_id: 1 },
      ],
      counters: [{ conversation, last_msg_id: 3 }],
    },
    pulled: [
      { user_id: ann, peer_id: bob, messages, unread: 0 },
      { user_id: bob, peer_id: ann, messages: [...messages], unread: 2 },
    ],
    answerWithin_ms: 10_000,
  } as Changeable<Evidence>
}

type History = ReturnType<typeof kept>
const sentBy = ({ journals }: History, at = 0): Changeable<Journal>['entries'] => journals[at]!.entries

/** The first message has number 2 and the second number 1, everywhere. */
function swapNumbers({ stored, journals, pulled }: History): void {
  const swapped = new Map([
    ['m1', 2],
    ['m2', 1],
  ])
  for (const row of [...stored.sent, ...stored.received])
    row.msg_id = swapped.get(row.client_msg_id) ?? row.msg_id
  for (const entry of journals.flatMap(({ entries }) => entries))
    if (entry.kind !== 'sent') entry.server_msg_id = swapped.get(entry.msg_id) ?? entry.server_msg_id!
  for (const each of pulled) {
    const [first, second, ...rest] = each.messages
    each.messages = [{ ...second!, server_msg_id: 1 }, { ...first!, server_msg_id: 2 }, ...rest]
  }
}

/** What must be found, by the name of what is planted. */
const planted: Record<string, { plant(history: History): void; found: RegExp }> = {
  'an acked message that is lost': {
    plant({ stored }) {
      stored.sent.pop()
      stored.received.pop()
    },
    found: /m3 was acked and is lost/,
  },
  'an acked message that its reader does not have': {
    plant: ({ stored }) => void stored.received.splice(1, 1),
    found: /m2 was acked and has no row for its reader/,
  },
  'a message stored twice': {
    plant: ({ stored }) => void stored.sent.push({ ...stored.sent[0]!, msg_id: 4 }),
    found: /1\/m1 is stored 2 times/,
  },
  'a reader who has a message twice': {
    plant: ({ stored }) => void stored.received.push({ ...stored.received[0]! }),
    found: /1\/m1 for 2 is stored 2 times/,
  },
  'a repeat that was acked with another number': {
    plant: (history) => void sentBy(history).push({ ...sentBy(history)[1]!, at_ms: 99, server_msg_id: 7 }),
    found: /m1 was acked with 1 and 7/,
  },
  'two messages whose numbers are swapped': {
    plant: swapNumbers,
    found: /m2 has 1, m1, acked before, 2/,
  },
  'an ack that names another number than the row': {
    plant({ journals }) {
      journals[0]!.entries[1]!.server_msg_id = 9
    },
    found: /m1 was acked with 9 and is stored as 1/,
  },
  'a reader whose number differs': {
    plant({ stored }) {
      stored.received[0]!.msg_id = 5
    },
    found: /m1 was acked with 1, its reader has 5/,
  },
  'a phantom row': {
    plant({ stored }) {
      stored.sent.push({ ...stored.sent[0]!, client_msg_id: 'phantom', msg_id: 4 })
      stored.counters[0]!.last_msg_id = 4
    },
    found: /1\/phantom is stored and was never sent/,
  },
  'a content that nobody sent': {
    plant({ stored }) {
      stored.received[0]!.content = Buffer.from('other')
    },
    found: /m1 is stored with another content/,
  },
  'a message that went to somebody else': {
    plant({ stored }) {
      stored.received[0]!.msg_to = 3
    },
    found: /m1 was sent to 2 and is stored for 3/,
  },
  'a gap in the numbers': {
    plant({ stored, journals }) {
      for (const rows of [stored.sent, stored.received]) rows[2]!.msg_id = 4
      for (const entry of journals.flatMap(({ entries }) => entries))
        if (entry.kind !== 'sent' && entry.msg_id === 'm3') entry.server_msg_id = 4
      stored.counters[0]!.last_msg_id = 4
    },
    found: /c:1:2 has 4 where 3 belongs/,
  },
  'a counter that ran ahead': {
    plant({ stored }) {
      stored.counters[0]!.last_msg_id = 5
    },
    found: /c:1:2 counts to 5, its rows to 3/,
  },
  'a phantom delivery': {
    plant: (history) => void sentBy(history, 1).push({ ...sentBy(history, 1)[0]!, msg_id: 'ghost' }),
    found: /2 received 1\/ghost, which is not stored/,
  },
  'a delivery with another number': {
    plant: (history) => {
      sentBy(history, 1)[0]!.server_msg_id = 2
    },
    found: /2 received 1\/m1 as 2/,
  },
  'a delivery to a stranger': {
    plant: (history) => void history.journals.push({ user_id: 3, entries: [sentBy(history, 1)[0]!] }),
    found: /3 received 1\/m1, which is for 2/,
  },
  'an ack of what was never sent': {
    plant: (history) => void sentBy(history).push({ ...sentBy(history)[1]!, msg_id: 'ghost' }),
    found: /1 got an ack of ghost, which was never sent/,
  },
  'an unread count that is too high': {
    plant({ stored, pulled }) {
      stored.sessions[1]!.unread = 3
      pulled[1]!.unread = 3
    },
    found: /2:1 counts 3 unread, there are 2/,
  },
  'an unread count that was told wrongly': {
    plant({ pulled }) {
      pulled[1]!.unread = 0
    },
    found: /2 pulled 0 unread of 1, stored are 2/,
  },
  'a session that is missing': {
    plant: ({ stored }) => void stored.sessions.pop(),
    found: /2:1 has messages and no session/,
  },
  'a session that ends too early': {
    plant({ stored }) {
      stored.sessions[0]!.last_msg_id = 2
    },
    found: /1:2 ends with 2, not 3/,
  },
  'a history that skips a message': {
    plant: ({ pulled }) => void pulled[1]!.messages.splice(1, 1),
    found: /2 pulled 3 1\/m3 where 2 1\/m2 belongs/,
  },
  'a history that shows a message twice': {
    plant: ({ pulled }) => void pulled[1]!.messages.push(pulled[1]!.messages[2]!),
    found: /2 pulled 4 of 3/,
  },
  'a sender who waits too long': {
    plant({ journals }) {
      journals[0]!.entries[1]!.at_ms = 10_011
    },
    found: /1 waited 10001 ms for an answer to m1/,
  },
}

describe('the checker', () => {
  test('has nothing to say of a history that keeps every promise', () => {
    assert.deepEqual(violations(kept() as Evidence), [])
  })

  test('takes the end of a connection for an answer', () => {
    const history = kept()
    history.journals.push({
      user_id: ann,
      entries: [{ ...sentBy(history)[0]!, at_ms: 1_000 }],
      closed_at_ms: 1_500,
    })
    assert.deepEqual(violations(history as Evidence), [])
  })

  test('does not ask for the order of messages that were sent side by side', () => {
    const history = kept()
    for (const entry of sentBy(history)) if (entry.kind === 'sent') entry.at_ms = 1
    swapNumbers(history)
    assert.deepEqual(violations(history as Evidence), [])
  })

  for (const [what, { plant, found }] of Object.entries(planted))
    test(`finds ${what}`, () => {
      const history = kept()
      plant(history)
      const lines = violations(history as Evidence)
      assert.ok(
        lines.some((line) => found.test(line)),
        `it said: ${lines.join('; ') || 'nothing'}`,
      )
    })
})
