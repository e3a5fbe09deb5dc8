/** Pushes and their receivers on the real PostgreSQL: what a repeated batch finds, and what time does. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { createPool } from '../../../infra/postgres/pool.js'
import { createPushAging, createPushes, createPushStatuses } from '../../../infra/postgres/pushes.js'
import { createRetention } from '../../../infra/postgres/retention.js'
import type { Pushes, PushOpening, ReceiverState } from '../../../workers/ports/pushes.js'
import { type FreshDatabase, freshDatabase } from '../../helpers/database.js'
import { silentLog } from '../../helpers/log.js'

let database: FreshDatabase
let pool: pg.Pool
let pushes: Pushes

before(async () => {
  database = await freshDatabase()
  pool = createPool(database.url, 2, silentLog)
  pushes = createPushes(pool)
})
after(async () => {
  await pool?.end()
  await database?.drop()
})

const opening = (more: Partial<PushOpening> = {}): PushOpening => ({
  push_id: randomUUID(),
  push_type: 'x',
  payload: Buffer.from([0, 255]),
  offline: 'store',
  title: null,
  body: 'b',
  created: 1_000,
  expires: 9_000,
  place: '0:1',
  digest: 'd',
  rejected: [],
  ...more,
})

async function addressed(state: ReceiverState, ...user_ids: number[]): Promise<string> {
  const push = opening()
  await pushes.open([push])
  await pushes.address(user_ids.map((user_id) => ({ push_id: push.push_id, user_id, state, expires: 9_000 })))
  return push.push_id
}

test('a push is opened by the record that asked first, and by that again', async () => {
  const first = opening()
  const later = { ...first, place: '0:2' }
  assert.deepEqual(await pushes.open([first, later]), ['opened', 'repeated'])
  assert.deepEqual(await pushes.open([first]), ['opened'])
  assert.deepEqual(await pushes.open([{ ...later, digest: 'other' }]), ['taken'])
  const stored = (await pushes.of([first.push_id])).get(first.push_id)
  assert.deepEqual([...(stored?.payload ?? [])], [0, 255])
  assert.deepEqual([stored?.title, stored?.body, stored?.expires], [null, 'b', 9_000])
})

test('receivers that are added again keep their state', async () => {
  const push_id = await addressed('open', 1, 2)
  await pushes.reached([{ push_id, user_id: 1, step: 'acked', device: '2', time: 5 }])
  const again = [1, 2, 3].map((user_id) => ({ push_id, user_id, state: 'stored' as const, expires: 9_000 }))
  assert.deepEqual(await pushes.address(again), ['acked', 'open', 'stored'])
})

test('the first device that was written to and the first that acked count, also when the batch comes again', async () => {
  const push_id = await addressed('open', 1)
  const step = (kind: 'written' | 'acked', device: string, time: number) => ({
    push_id,
    user_id: 1,
    step: kind,
    device,
    time,
  })
  const batch = [step('written', '2', 10), step('written', '3', 10), step('acked', '3', 12)]
  assert.deepEqual(await pushes.reached(batch), [true, false, true])
  assert.deepEqual(await pushes.reached(batch), [true, false, true])
  assert.deepEqual(await pushes.reached([step('written', '2', 20), step('acked', '2', 21)]), [false, false])
  assert.deepEqual(await pushes.reached([{ ...step('acked', '2', 1), user_id: 404 }]), [false])
  assert.deepEqual(await pushes.openOf([{ push_id, user_id: 1 }]), [])
})

test('who is written to before the receivers are here is one from then on; who only acks is none', async () => {
  const push = opening()
  const { push_id } = push
  await pushes.open([push])
  const step = (user_id: number, kind: 'written' | 'acked') => ({
    ...{ push_id, user_id, step: kind, device: '2', time: 10 },
  })
  const steps = [step(1, 'written'), step(2, 'written'), step(2, 'acked'), step(3, 'acked')]
  assert.deepEqual(await pushes.reached(steps), [true, true, true, false])
  const receivers = [1, 2, 3].map((user_id) => ({ push_id, user_id, state: 'open' as const, expires: 9_000 }))
  assert.deepEqual(await pushes.address(receivers), ['open', 'acked', 'open'])
  const unknown = { ...step(1, 'written'), push_id: randomUUID() }
  assert.deepEqual(await pushes.reached([unknown]), [false], 'of no push')
})

test('only who is open is settled, once, and is so again for the same batch', async () => {
  const push_id = await addressed('open', 1, 2)
  await pushes.reached([{ push_id, user_id: 2, step: 'acked', device: '2', time: 5 }])
  const both = [1, 2].map((user_id) => ({ push_id, user_id, state: 'stored' as const, expires: 9_000 }))
  assert.deepEqual(await pushes.settle(both), [true, false])
  assert.deepEqual(await pushes.settle(both), [true, false])
})

test('what waits for a user comes oldest first, up to a size, and not when its time is over', async () => {
  const [user_id, other] = [71, 72]
  const ids = ['a', 'b', 'c'].map((letter) => `${letter}-${randomUUID()}`)
  const some = ids.map((push_id, at) =>
    opening({ push_id, created: 1_000 + at, expires: at === 2 ? 1_500 : 9_000 }),
  )
  await pushes.open(some)
  await pushes.address(
    some.map(({ push_id, expires }) => ({ push_id, user_id, state: 'stored' as const, expires })),
  )
  const waiting = async (now: number, bytes: number) =>
    (await pushes.waiting([user_id, other], now, bytes)).get(user_id)?.map(({ push_id }) => push_id)
  assert.deepEqual(await waiting(1_200, 1_000), ids)
  assert.deepEqual(await waiting(2_000, 1_000), ids.slice(0, 2))
  assert.deepEqual(await waiting(1_200, 3), ids.slice(0, 1))
  assert.equal((await pushes.waiting([other], 0, 1_000)).size, 0)
})

test('what is on its way is told apart from what is stored', async () => {
  const push_id = await addressed('open', 73)
  const [only] = (await pushes.waiting([73], 0, 1_000)).get(73) ?? []
  assert.deepEqual([only?.push_id, only?.sent], [push_id, true])
})

test('stored receivers expire, and a push that is too old is forgotten with its receivers', async () => {
  const aging = createPushAging(pool)
  const push_id = await addressed('stored', 1, 2)
  await pushes.reached([{ push_id, user_id: 2, step: 'acked', device: '2', time: 5 }])
  const overdue = (await aging.overdue(9_000, 100)).filter((each) => each.push_id === push_id)
  assert.deepEqual(overdue, [{ push_id, user_id: 1 }])
  await aging.expire(overdue, 9_000)
  const statuses = createPushStatuses(pool)
  const states = async () => (await statuses.of(push_id, 0, 10))?.receivers.map(({ state }) => state)
  assert.deepEqual(await states(), ['expired', 'acked'])
  const { removePushes } = createRetention(pool)
  assert.equal(await removePushes(500), 0)
  while ((await removePushes(5_000)) > 0);
  assert.equal(await states(), undefined)
})
