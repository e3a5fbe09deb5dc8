import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openJournal } from '../../bench/journal.js'

const whole = Number.POSITIVE_INFINITY

/** Sends `count` messages of pair 0, one due every 10 ms from 0 on. */
function journalOf(count: number) {
  const journal = openJournal()
  for (let index = 0; index < count; index++) journal.sent(0, index * 10, index * 10 + 1)
  return journal
}

test('latencies count from when a message was due, not from when it was sent', () => {
  const journal = journalOf(2)
  journal.answered(0, 0, 5)
  journal.delivered(0, 8)
  journal.answered(1, 0, 17)
  journal.delivered(1, 30)
  const { ack, delivery, late, perSecond } = journal.figures(whole)
  assert.deepEqual([ack.p50, ack.max], [5, 7])
  assert.deepEqual([delivery.p50, delivery.max], [8, 20])
  assert.equal(late.max, 1)
  assert.equal(perSecond, 2_000 / 30)
})

test('a message is lost when it was acked and not delivered before the first delivery check', () => {
  const journal = journalOf(4)
  for (const index of [0, 1, 2]) journal.answered(index, 0, 100)
  journal.delivered(0, 200)
  journal.delivered(1, 5_100) // that was the check's delivery
  const { lost, unanswered, delivered } = journal.figures(whole)
  assert.deepEqual({ lost, unanswered, delivered }, { lost: 2, unanswered: 1, delivered: 2 })
})

test('a refused message is neither lost nor acked', () => {
  const journal = journalOf(1)
  assert.equal(journal.answered(0, 10, 5), 0)
  const { refused, acked, lost } = journal.figures(whole)
  assert.deepEqual({ refused, acked, lost }, { refused: { 10: 1 }, acked: 0, lost: 0 })
  assert.equal(journal.open(), 0)
})

test('a second delivery is doubled, and an older message after a newer one is out of order', () => {
  const journal = journalOf(3)
  for (const index of [0, 2, 1, 2]) journal.delivered(index, 100)
  const { doubled, outOfOrder, delivered } = journal.figures(whole)
  assert.deepEqual({ doubled, outOfOrder, delivered }, { doubled: 1, outOfOrder: 1, delivered: 3 })
})

test('a message is through once it is both acked and delivered, in either order', () => {
  const journal = journalOf(2)
  assert.equal(journal.answered(0, 0, 5), undefined)
  assert.equal(journal.delivered(0, 6), 0)
  assert.equal(journal.delivered(1, 6), undefined)
  assert.equal(journal.answered(1, 0, 7), 0)
  assert.equal(journal.answered(1, 0, 8), undefined)
  assert.equal(journal.open(), 0)
})

test('what belongs to another run is ignored', () => {
  const journal = journalOf(1)
  assert.equal(journal.answered(-3, 0, 5), undefined)
  assert.equal(journal.delivered(7, 5), undefined)
  assert.equal(journal.figures(whole).delivered, 0)
})

test('in a closed loop only the deliveries within its time count', () => {
  const journal = journalOf(3)
  journal.delivered(0, 100)
  journal.delivered(1, 900)
  journal.delivered(2, 1_100)
  assert.equal(journal.figures(1_000).perSecond, 2)
})
