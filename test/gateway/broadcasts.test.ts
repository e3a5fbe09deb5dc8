/** A push to everyone online at one gate: who gets it, at what pace, and what stops it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBroadcasts } from '../../gateway/broadcasts.js'
import type { Connection } from '../../gateway/connection.js'
import { conditionHolds } from '../helpers/wait.js'

const broadcast = { online_by: 1_000, expires: 5_000 }
const packet = (push_id: string) => ({ target: [], command_id: 1, body: Buffer.alloc(1), push_id, broadcast })

interface Person {
  readonly user_id: number
  state: string
  readonly since: number
}

/** A gate with so many connections and ten slices a hundred milliseconds, whose clock only the pauses move. */
function gateWith(count: number) {
  const people: Person[] = Array.from({ length: count }, (_, at) => ({
    ...{ user_id: at + 1, state: 'online', since: 1_000 },
  }))
  const written: string[] = []
  const lease = { isSuspended: false, isFenced: false, asked: 0 }
  const clock = { now: 1_000, pauses: 0, onPause: () => {} }
  const broadcasts = createBroadcasts({
    connections: () => people as unknown as Connection[],
    write: ({ user_id }, { push_id }) => void written.push(`${push_id} ${user_id}`),
    lease: {
      isSuspended: () => lease.isSuspended,
      isFenced: () => lease.isFenced,
      async whenHeld() {
        lease.asked += 1
        await new Promise((resolve) => setImmediate(resolve))
      },
    },
    rate: 200, // two every 10 ms
    now: () => clock.now,
    async pause(ms) {
      clock.now += ms
      clock.pauses += 1
      clock.onPause()
    },
  })
  const take = (push_id: string) => broadcasts.take(packet(push_id), broadcast)
  const wrote = (length: number) => conditionHolds(`${length} written`, () => written.length === length)
  /** Nothing is under way any more. */
  const rest = () => new Promise((resolve) => setImmediate(resolve))
  return { people, written, lease, clock, broadcasts, take, wrote, rest }
}

test('each connection gets it once, in slices, one push after the other', async () => {
  const { take, wrote, written, clock } = gateWith(5)
  take('a')
  take('b')
  take('a') // a worker died behind it and says it again
  await wrote(10)
  assert.deepEqual(
    written,
    ['a', 'b'].flatMap((push) => [1, 2, 3, 4, 5].map((user) => `${push} ${user}`)),
  )
  assert.equal(clock.pauses, 4)
})

test('who logged in later, is not logged in, or left meanwhile gets nothing', async () => {
  const { people, take, written, clock, wrote, rest } = gateWith(3)
  people.push({ user_id: 4, state: 'online', since: 1_001 }, { user_id: 5, state: 'pending', since: 0 })
  clock.onPause = () => {
    people[2]!.state = 'closing'
  }
  take('a')
  await wrote(2)
  await rest()
  assert.deepEqual(written, ['a 1', 'a 2'])
})

test('after its time nothing of it is written any more', async () => {
  const { take, written, clock, rest } = gateWith(6)
  clock.onPause = () => {
    clock.now = 5_000
  }
  take('a')
  await rest()
  assert.deepEqual(written, ['a 1', 'a 2'])
})

test('while the lease is in doubt nothing is written; it goes on when it is held again', async () => {
  const { take, written, lease, wrote, rest } = gateWith(4)
  lease.isSuspended = true
  take('a')
  await conditionHolds('it asks', () => lease.asked > 3)
  assert.deepEqual(written, [])
  lease.isSuspended = false
  await wrote(4)
  lease.isFenced = true
  take('b')
  await rest()
  assert.equal(written.length, 4)
})

test('a gate that stops leaves the rest to the checks', async () => {
  const { take, written, clock, broadcasts, rest } = gateWith(6)
  clock.onPause = () => broadcasts.stop()
  take('a')
  await rest()
  assert.deepEqual(written, ['a 1', 'a 2'])
})
