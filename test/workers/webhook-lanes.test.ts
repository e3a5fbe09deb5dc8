/** Webhook events keep their order per lane, whatever fails: pure, with a queue in memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Postponed } from '../../schemas/bus.js'
import { postInLanes, type WebhookItem } from '../../workers/kit/webhook-lanes.js'
import type { Posted, WaitingEvent, WebhookQueue } from '../../workers/ports/webhooks.js'
import { webhookMessages } from '../../workers/webhook-messages.worker.js'

const webhookMaxAge_ms = 100_000

function world(failing: (id: string) => boolean = () => false, webhookRetries = 3) {
  const rows = new Map<string, WaitingEvent>()
  const nameOf = ({ lane, position }: Omit<WaitingEvent, 'rounds'>) => `${lane}@${position}`
  const webhookQueue: WebhookQueue = {
    waiting: async (asked) =>
      [...rows.values()]
        .sort((a, b) => a.position - b.position)
        .filter((row, _, all) => {
          const mine = asked.filter(({ lane }) => lane === row.lane)
          const before = all.filter(({ lane, position }) => lane === row.lane && position < row.position)
          return before.length <= mine.length || mine.some(({ position }) => position === row.position)
        }),
    async change(keep, drop) {
      for (const row of drop) rows.delete(nameOf(row))
      for (const row of keep) rows.set(nameOf(row), row)
    },
  }
  const posted: string[] = []
  const state = { failing, isAway: false, now: 0, post_ms: 0 }
  const eventSink = {
    post: async ({ event_id }: { event_id: string }): Promise<Posted> => {
      state.now += state.post_ms
      if (state.isAway) return { outcome: 'away', reason: 'not called' }
      if (state.failing(event_id)) return { outcome: 'not-taken', reason: 'HTTP 500' }
      posted.push(event_id)
      return { outcome: 'taken' }
    },
    isAway: () => state.isAway,
  }
  const ports = { eventSink, webhookQueue, webhookRetries, webhookMaxAge_ms, now: () => state.now }
  const post = (items: WebhookItem[]) => postInLanes(items, ports)
  return { rows, posted, state, post, ports }
}

const item = (lane: string, position: number, changes: Partial<WebhookItem> = {}): WebhookItem => ({
  event_id: `${lane}${position}`,
  kind: 'message',
  lane,
  position,
  body: '',
  rounds: 0,
  appended: 0,
  again: false,
  ...changes,
})

test('while all is taken nothing is noted, and each lane is in order', async () => {
  const { post, posted, rows } = world()
  await post([item('a', 1), item('b', 2), item('a', 3), item('b', 4)])
  assert.deepEqual(
    posted.filter((id) => id.startsWith('a')),
    ['a1', 'a3'],
  )
  assert.equal(posted.length, 4)
  assert.equal(rows.size, 0)
})

test('behind one that is not taken its lane waits, untried; other lanes go on', async () => {
  const { post, posted, rows } = world((id) => id === 'a1')
  const outcomes = await post([item('a', 1), item('b', 2), item('a', 3)])
  assert.deepEqual(outcomes, [
    { kind: 'waits', rounds: 1, tier: 1 },
    { kind: 'done' },
    { kind: 'waits', rounds: 0, tier: 1 },
  ])
  assert.deepEqual(posted, ['b2'])
  assert.equal(rows.size, 2)
})

test('what comes later waits too, at the delay of the one that it waits for', async () => {
  const { post, posted } = world((id) => id === 'a1')
  await post([item('a', 1)])
  const again = await post([item('a', 1, { rounds: 1, again: true })])
  assert.deepEqual(again, [{ kind: 'waits', rounds: 2, tier: 2 }])
  assert.deepEqual(await post([item('a', 2)]), [{ kind: 'waits', rounds: 0, tier: 2 }])
  assert.deepEqual(posted, [])
})

test('once it is taken the others follow in order, and nothing is left', async () => {
  const { post, posted, rows, state } = world((id) => id === 'a1')
  await post([item('a', 1), item('a', 2), item('a', 3)])
  state.failing = () => false
  await post([
    item('a', 1, { rounds: 1, again: true }),
    item('a', 2, { again: true }),
    item('a', 3, { again: true }),
    item('a', 4),
  ])
  assert.deepEqual(posted, ['a1', 'a2', 'a3', 'a4'])
  assert.equal(rows.size, 0)
})

test('a second copy of one that was taken is passed by', async () => {
  const { post, posted, state } = world((id) => id === 'a1')
  await post([item('a', 1)])
  state.failing = () => false
  await post([item('a', 1)])
  await post([item('a', 1, { rounds: 1, again: true })])
  assert.deepEqual(posted, ['a1'])
})

test('one that is never taken is given up, and its lane goes on; back from the dead letters it is tried again', async () => {
  const { post, posted, rows, state } = world((id) => id === 'a1')
  await post([item('a', 1), item('a', 2)])
  const last = item('a', 1, { rounds: 3, again: true })
  const outcomes = await post([last, item('a', 2, { again: true })])
  assert.deepEqual(outcomes, [{ kind: 'given-up', reason: 'the webhook: HTTP 500' }, { kind: 'done' }])
  assert.deepEqual(posted, ['a2'])
  assert.equal(rows.size, 0)
  state.failing = () => false
  await post([last])
  assert.deepEqual(posted, ['a2', 'a1'])
})

test('one far behind the first of a long queue still waits, and is told in its turn', async () => {
  const { post, posted, rows, state } = world((id) => id === 'a0')
  await post(Array.from({ length: 50 }, (_, at) => item('a', at)))
  assert.deepEqual(await post([item('a', 40, { again: true })]), [{ kind: 'waits', rounds: 0, tier: 1 }])
  state.failing = () => false
  await post([item('a', 0, { rounds: 1, again: true })])
  for (let at = 1; at < 50; at++) await post([item('a', at, { again: true })])
  assert.deepEqual(
    posted,
    Array.from({ length: 50 }, (_, at) => `a${at}`),
  )
  assert.equal(rows.size, 0)
})

test('a lane whose receiver is slow is left after its time, and what is left of it waits without a failure', async () => {
  const { post, posted, state } = world()
  state.post_ms = 4_000
  const outcomes = await post([item('a', 1), item('a', 2), item('a', 3), item('a', 4)])
  assert.deepEqual(posted, ['a1', 'a2'])
  assert.deepEqual(outcomes.slice(2), [
    { kind: 'waits', rounds: 0, tier: 1 },
    { kind: 'waits', rounds: 0, tier: 1 },
  ])
})

test('without any retry an event that is not taken is given up at once', async () => {
  const { post, rows } = world(() => true, 0)
  assert.deepEqual(await post([item('a', 1)]), [{ kind: 'given-up', reason: 'the webhook: HTTP 500' }])
  assert.equal(rows.size, 0)
})

test('an address that is away counts against no event but by age', async () => {
  const { post, state, rows } = world()
  state.isAway = true
  assert.deepEqual(await post([item('a', 1, { rounds: 99 })]), [{ kind: 'waits', rounds: 100, tier: 100 }])
  assert.equal(rows.size, 1)
  state.now = webhookMaxAge_ms + 1
  const outcomes = await post([
    item('a', 1, { rounds: 99, again: true }),
    item('a', 2, { appended: state.now }),
  ])
  assert.deepEqual(outcomes, [
    { kind: 'given-up', reason: 'the webhook: not called' },
    { kind: 'waits', rounds: 1, tier: 1 },
  ])
})

test('one that was given up by age is posted when it is back from the dead letters', async () => {
  const { post, state, posted } = world()
  state.now = webhookMaxAge_ms + 1
  await post([item('a', 1, { rounds: 1, again: true })])
  assert.deepEqual(posted, ['a1'])
})

const stored = { conversation: 'c:1:2', server_msg_id: '1', msg_type: 1, data: '', create_time: 0 }
const row = (offset: number, appended: number) => {
  const place = { topic: 'message.stored', partition: 0, offset, appended }
  const [outcome] = webhookMessages.decide(stored, undefined, place)
  assert.ok(outcome?.kind === 'save')
  return outcome.row
}

test('while its address is away a batch is postponed untried, and given up once all of it is too old', async () => {
  const { ports, state, posted, rows } = world()
  state.isAway = true
  state.now = webhookMaxAge_ms + 2
  await assert.rejects(webhookMessages.save!([row(1, 1), row(2, 5)], ports, []), Postponed)
  const [outcome] = await webhookMessages.save!([row(1, 1)], ports, [])
  assert.equal(outcome?.kind, 'given-up')
  assert.deepEqual([posted.length, rows.size], [0, 0])
  state.isAway = false
  assert.deepEqual(await webhookMessages.save!([row(2, 5)], ports, []), [{ kind: 'done' }])
})
