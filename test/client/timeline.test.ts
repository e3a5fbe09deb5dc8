/** Each number is shown once, and in order, however messages come (spec 2, I4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTimeline, type Positions } from '../../client/timeline.js'
import { randomNumbers } from '../helpers/random.js'

/** What happens, and which numbers are shown then. */
type Step =
  | readonly ['arrived' | 'pulled' | 'passed', number, readonly number[]]
  | readonly ['missing', readonly [from: number, to: number] | undefined]

const stories: Record<string, { shown?: Positions; steps: readonly Step[] }> = {
  'in order': {
    steps: [
      ['arrived', 1, [1]],
      ['arrived', 2, [2]],
      ['arrived', 3, [3]],
      ['missing', undefined],
    ],
  },
  'a repeat is not shown': {
    steps: [
      ['arrived', 1, [1]],
      ['arrived', 1, []],
      ['pulled', 1, []],
      ['arrived', 2, [2]],
    ],
  },
  'behind a hole it is held back': {
    steps: [
      ['arrived', 1, [1]],
      ['arrived', 3, []],
      ['missing', [2, 2]],
      ['arrived', 2, [2, 3]],
      ['missing', undefined],
    ],
  },
  'a repeat of one held back is shown once': {
    steps: [
      ['arrived', 2, []],
      ['arrived', 2, []],
      ['arrived', 1, [1, 2]],
    ],
  },
  'the first of a session that is not number 1 waits for those before it': {
    steps: [
      ['arrived', 4, []],
      ['missing', [1, 3]],
      ['pulled', 1, [1]],
      ['pulled', 2, [2]],
      ['pulled', 3, [3, 4]],
    ],
  },
  'a pull says what there is: a member who joined at 40 begins there': {
    steps: [
      ['pulled', 40, [40]],
      ['pulled', 41, [41]],
      ['arrived', 42, [42]],
    ],
  },
  'a pull behind what was held back shows both in order': {
    steps: [
      ['arrived', 41, []],
      ['arrived', 43, []],
      ['pulled', 40, [40, 41]],
      ['missing', [42, 42]],
      ['pulled', 42, [42, 43]],
    ],
  },
  'a hole in which nothing is to be had is passed over': {
    steps: [
      ['arrived', 1, [1]],
      ['arrived', 20, []],
      ['arrived', 21, []],
      ['missing', [2, 19]],
      ['passed', 19, [20, 21]],
      ['arrived', 22, [22]],
    ],
  },
  'what lies between is shown when a hole is passed over': {
    steps: [
      ['arrived', 3, []],
      ['arrived', 7, []],
      ['passed', 6, [3, 7]],
      ['arrived', 3, []],
    ],
  },
  'an earlier run goes on where it ended': {
    shown: { 5: 10 },
    steps: [
      ['pulled', 10, []],
      ['arrived', 11, [11]],
      ['arrived', 9, []],
    ],
  },
}

for (const [title, { shown, steps }] of Object.entries(stories))
  test(title, () => {
    const timeline = createTimeline(shown)
    for (const step of steps) {
      const [what, number, expected] = step
      if (what === 'missing') {
        const [hole] = timeline.holes()
        assert.deepEqual(hole && [hole.from, hole.to], number)
        continue
      }
      const got =
        what === 'passed'
          ? timeline.passed(5, number as number)
          : timeline[what]({ session_id: 5, server_msg_id: number as number })
      assert.deepEqual(
        got.map(({ server_msg_id }) => server_msg_id),
        expected,
      )
    }
  })

test('sessions do not hold up each other', () => {
  const timeline = createTimeline()
  assert.deepEqual(timeline.arrived({ session_id: 1, server_msg_id: 2 }), [])
  assert.equal(timeline.arrived({ session_id: 2, server_msg_id: 1 }).length, 1)
  assert.deepEqual(timeline.holes(), [{ session_id: 1, from: 1, to: 1 }])
  assert.deepEqual(timeline.positions(), { 2: 1 })
})

test('shuffled and repeated, each number comes out once and in order', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = randomNumbers(seed)
    const numbers = Array.from({ length: 30 }, (_, at) => at + 1)
    const arriving = [...numbers, ...numbers.filter(() => random(2) === 0)]
      .map((number) => ({ number, key: random(1_000_000) }))
      .sort((one, other) => one.key - other.key)
    const timeline = createTimeline()
    const shown = arriving.flatMap(({ number }) => timeline.arrived({ session_id: 1, server_msg_id: number }))
    assert.deepEqual(
      shown.map(({ server_msg_id }) => server_msg_id),
      numbers,
      `seed ${seed}`,
    )
    assert.deepEqual(timeline.holes(), [])
  }
})
