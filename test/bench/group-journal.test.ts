import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openGroupJournal } from '../../bench/groups/journal.js'

/** Four members; member 0 sends `count` messages, one due every 10 ms from 0 on, and all are acked at 50 ms. */
function journalOf(count: number, acked = true) {
  const journal = openGroupJournal(4)
  for (let index = 0; index < count; index++) {
    journal.sent(0, index * 10, index * 10 + 1)
    if (acked) journal.answered(index, 0, 50)
  }
  return journal
}

test('a message is through when it is acked and every member but its sender has it', () => {
  const journal = journalOf(1)
  for (const member of [1, 2]) journal.delivered(0, member, 5, 20)
  assert.deepEqual([journal.open(), journal.oldestDue_ms()], [1, 0])
  journal.delivered(0, 3, 5, 90)
  assert.deepEqual([journal.open(), journal.oldestDue_ms()], [0, undefined])
  const { each, last, ack, delivered } = journal.figures()
  assert.deepEqual(
    { each: each.max, first: each.p50, last: last.p99, ack: ack.p50, delivered },
    { each: 90, first: 20, last: 90, ack: 50, delivered: 3 },
  )
})

test('latencies count from when a message was due', () => {
  const journal = journalOf(2)
  for (const member of [1, 2, 3]) journal.delivered(1, member, 6, 40)
  assert.equal(journal.figures().last.p50, 30)
  assert.equal(journal.figures().perSecond, 75)
})

test('what an acked message still misses is lost, and what only the delivery check brought', () => {
  const journal = journalOf(1)
  journal.delivered(0, 1, 5, 60)
  journal.delivered(0, 2, 5, 5_060)
  const { lost, delivered, last } = journal.figures()
  assert.deepEqual({ lost, delivered, last: last.p99 }, { lost: 2, delivered: 2, last: null })
  assert.equal(journalOf(1, false).figures().lost, 0)
})

test('a refused message is neither open nor lost', () => {
  const journal = journalOf(1, false)
  journal.answered(0, 10, 5)
  const { refused, lost, acked } = journal.figures()
  assert.deepEqual(
    { open: journal.open(), refused, lost, acked },
    { open: 0, refused: { 10: 1 }, lost: 0, acked: 0 },
  )
})

test('each member is watched for doubles and for order by number', () => {
  const journal = journalOf(2)
  journal.delivered(1, 1, 9, 60)
  journal.delivered(0, 1, 8, 61) // older than what member 1 has
  journal.delivered(0, 2, 8, 61)
  journal.delivered(1, 2, 9, 62)
  journal.delivered(1, 2, 9, 63)
  journal.delivered(7, 2, 9, 63) // of another run
  const { doubled, outOfOrder, delivered } = journal.figures()
  assert.deepEqual({ doubled, outOfOrder, delivered }, { doubled: 1, outOfOrder: 1, delivered: 4 })
})
