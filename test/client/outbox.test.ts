/** What was sent is written again, under the same msg_id, until it is settled. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ResCode } from '../../client/gen/protocol.js'
import { createOutbox } from '../../client/outbox.js'
import { randomNumbers } from '../helpers/random.js'

const rules = {
  limit: 5,
  ackWithin_ms: 1_000,
  delay_ms: (attempt: number) => 100 * 2 ** attempt,
  pace: { perSecond: 10, burst: 3 },
}
const message = (msg_id: string, to_session_id = 1) => ({ msg_id, to_session_id })

/** What happens at a time, and what is true then. */
type Step =
  | readonly [at_ms: number, 'add', msg_id: string, result: 'added' | 'full' | 'known', to?: number]
  | readonly [at_ms: number, 'due', msg_ids: string]
  | readonly [at_ms: number, 'next', at_ms: number | undefined]
  | readonly [at_ms: number, 'ack', msg_id: string, res_code: number, result: string]
  | readonly [at_ms: number, 'cut']

const { OK, MUTED, SERVER_BUSY, RATE_LIMITED } = ResCode
const stories: Record<string, readonly Step[]> = {
  'written once, and gone when it is stored': [
    [0, 'add', 'a', 'added'],
    [0, 'next', 0],
    [0, 'due', 'a'],
    [10, 'due', ''],
    [20, 'ack', 'a', OK, 'stored'],
    [20, 'ack', 'a', OK, 'unknown'],
    [5_000, 'due', ''],
    [5_000, 'next', undefined],
  ],
  'without an ack it is written again': [
    [0, 'add', 'a', 'added'],
    [0, 'due', 'a'],
    [1, 'next', 1_000],
    [999, 'due', ''],
    [1_000, 'due', 'a'],
    [2_000, 'due', 'a'],
    [2_001, 'ack', 'a', OK, 'stored'],
  ],
  'SERVER_BUSY and RATE_LIMITED mean again, each time later': [
    [0, 'add', 'a', 'added'],
    [0, 'due', 'a'],
    [10, 'ack', 'a', SERVER_BUSY, 'again'],
    [10, 'next', 110],
    [109, 'due', ''],
    [110, 'due', 'a'],
    [120, 'ack', 'a', RATE_LIMITED, 'again'],
    [319, 'due', ''],
    [320, 'due', 'a'],
    [330, 'ack', 'a', OK, 'stored'],
  ],
  'an OK that follows SERVER_BUSY counts': [
    [0, 'add', 'a', 'added'],
    [0, 'due', 'a'],
    [10, 'ack', 'a', SERVER_BUSY, 'again'],
    [20, 'ack', 'a', OK, 'stored'],
    [500, 'due', ''],
  ],
  'a refusal is final': [
    [0, 'add', 'a', 'added'],
    [0, 'due', 'a'],
    [10, 'ack', 'a', MUTED, 'refused'],
    [5_000, 'due', ''],
  ],
  'on the next connection everything goes out again, in the order of sending': [
    [0, 'add', 'a', 'added'],
    [0, 'add', 'b', 'added'],
    [0, 'due', 'a b'],
    [1, 'ack', 'a', SERVER_BUSY, 'again'],
    [2, 'add', 'c', 'added'],
    [3, 'cut'],
    [3, 'due', 'a b c'],
  ],
  'one that has to wait holds up what was not written yet in its session, and no other': [
    [0, 'add', 'a', 'added', 1],
    [0, 'due', 'a'],
    [10, 'ack', 'a', SERVER_BUSY, 'again'],
    [20, 'add', 'b', 'added', 1],
    [20, 'add', 'c', 'added', 2],
    [20, 'due', 'c'],
    [20, 'next', 110],
    [110, 'due', 'a b'],
  ],
  'no faster than the server takes it': [
    ...['a', 'b', 'c', 'd', 'e'].map((msg_id): Step => [0, 'add', msg_id, 'added']),
    [0, 'add', 'f', 'full'],
    [0, 'add', 'a', 'known'],
    [0, 'due', 'a b c'],
    [0, 'due', ''],
    [0, 'next', 100],
    [100, 'due', 'd'],
    [200, 'due', 'e'],
  ],
}

for (const [title, steps] of Object.entries(stories))
  test(title, () => {
    const outbox = createOutbox(rules)
    for (const step of steps) {
      const at = JSON.stringify(step)
      if (step[1] === 'add') assert.equal(outbox.add(message(step[2], step[4])), step[3], at)
      else if (step[1] === 'due')
        assert.equal(
          outbox
            .due(step[0])
            .map(({ msg_id }) => msg_id)
            .join(' '),
          step[2],
          at,
        )
      else if (step[1] === 'next') assert.equal(outbox.nextDue(step[0]), step[2], at)
      else if (step[1] === 'ack')
        assert.equal(outbox.settle({ msg_id: step[2], res_code: step[3] }, step[0]), step[4], at)
      else outbox.cut()
    }
  })

test('over a server that loses, delays and cuts, everything is stored at last, and nothing is written after', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomNumbers(seed)
    const outbox = createOutbox({ ...rules, limit: 100 })
    const stored = new Set<string>()
    for (let at = 0; at < 40; at++) outbox.add(message(`m${at}`, at % 3))
    let now = 0
    for (let turns = 0; outbox.size() > 0 && turns < 10_000; turns++) {
      now = Math.max(now + 1, outbox.nextDue(now) ?? now)
      for (const { msg_id } of outbox.due(now)) {
        assert.ok(!stored.has(msg_id), `seed ${seed}: ${msg_id} was settled`)
        const luck = random(100) / 100
        if (luck < 0.2) continue
        const res_code = luck < 0.4 ? SERVER_BUSY : OK
        if (outbox.settle({ msg_id, res_code }, now + 5) === 'stored') stored.add(msg_id)
      }
      if (random(100) < 5) outbox.cut()
    }
    assert.equal(stored.size, 40, `seed ${seed}`)
  }
})
