/** The presence sweep on a real Redis; the bus is a list. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { createEndedGates, createGateLease } from '../../infra/redis/lease.js'
import { createLocks } from '../../infra/redis/locks.js'
import { createPresence } from '../../infra/redis/presence.js'
import { BusUnavailable, type OutgoingRecord } from '../../schemas/bus.js'
import { deleteGateTopics, startPresenceSweep } from '../../workers/presence.js'
import { silentLog } from '../helpers/log.js'
import { freshRedis } from '../helpers/redis.js'

const { redis, keys, forgetAll } = freshRedis()
const policy = 'one-per-type'
const presence = createPresence({ redis, keys, policy })
const ended = createEndedGates({ redis, keys, policy })
const locks = createLocks({ redis, keys })
const lease_ms = 300
const lease = (gate_id: string, gate_epoch: number) =>
  createGateLease({ redis, keys, lease_ms, identity: { gate_id, gate_epoch } })

const login = (user_id: number, gate_id: string, gate_epoch: number) => ({
  user_id,
  device: { client_type: 2 },
  gate_id,
  gate_epoch,
  connection_id: 1,
  login_number: 7,
  since: 0,
})

beforeEach(forgetAll)

/** A sweep that runs when it is told, and what it published. */
async function sweeper(publish?: (records: readonly OutgoingRecord[]) => void) {
  const offline: string[] = []
  const jobs = new Map<string, () => Promise<void>>()
  const running = await startPresenceSweep({
    ended,
    locks,
    bus: {
      listTopics: async () => [],
      deleteTopics: async () => {},
      producer: async () => ({
        async publish(records) {
          publish?.(records)
          for (const { value } of records) {
            const { user_id, gate_id, state } = JSON.parse(value.toString())
            offline.push(`${state} ${user_id} ${gate_id}`)
          }
        },
        close: async () => {},
      }),
    },
    prefix: 'x.',
    lease_ms,
    schedule(cron, job) {
      jobs.set(cron, job)
      return () => jobs.delete(cron)
    },
    log: silentLog,
  })
  return { running, offline, sweep: () => jobs.get('* * * * * *')!() }
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const graceOver = () => wait(lease_ms / 3 + 1_050)

test('devices of a gate whose lease lapsed go offline once, however many sweep; those of a live gate stay', async () => {
  const [gone, live] = [lease('gone', 1), lease('live', 1)]
  await gone.renew({}, 0)
  const renewing = setInterval(() => live.renew({}, 0), lease_ms / 3)
  await live.renew({}, 0)
  await presence.login([login(1, 'gone', 1), login(2, 'gone', 1), login(3, 'live', 1)])
  const [a, b] = [await sweeper(), await sweeper()]
  assert.equal(a.running.isReady(), false)
  await Promise.all([a.sweep(), b.sweep()])
  assert.equal(a.running.isReady(), true)
  assert.deepEqual([...a.offline, ...b.offline], [], 'not before the lease lapsed')
  await wait(lease_ms)
  await Promise.all([a.sweep(), b.sweep()])
  assert.deepEqual([...a.offline, ...b.offline], [], 'a lost lease has the time of one renewal to come back')
  await graceOver()
  await Promise.all([a.sweep(), b.sweep()])
  clearInterval(renewing)
  assert.deepEqual([...a.offline, ...b.offline].sort(), ['offline 1 gone', 'offline 2 gone'])
  assert.deepEqual([...(await presence.of([1, 2, 3])).keys()], [3])
  await Promise.all([a.running.stop(), b.running.stop()])
})

test('devices of a start that a newer one replaced go offline at once', async () => {
  await lease('g', 1).renew({}, 0)
  await presence.login([login(1, 'g', 1)])
  await lease('g', 2).renew({}, 0)
  await presence.login([login(2, 'g', 2)])
  const { sweep, offline, running } = await sweeper()
  await sweep()
  assert.deepEqual(offline, ['offline 1 g'])
  await running.stop()
})

test('what the bus did not take is published by a later sweep', async () => {
  await lease('g', 1).renew({}, 0)
  await presence.login([login(1, 'g', 1)])
  await lease('g', 2).renew({}, 0)
  let away = true
  const { sweep, offline, running } = await sweeper(() => {
    if (away) throw new BusUnavailable('away')
  })
  await sweep()
  assert.equal(running.isReady(), false)
  assert.deepEqual(offline, [])
  away = false
  await sweep()
  assert.equal(running.isReady(), true)
  assert.deepEqual(offline, ['offline 1 g'])
  await running.stop()
})

test('topics of gates that had no lease for a day are deleted, and no others', async () => {
  await lease('fresh', 1).renew({}, 0)
  await redis.zadd(keys.gatesHeard, Date.now() - 25 * 3_600_000, 'old')
  const deleted: string[] = []
  const names = [
    'x.gate.old.outbound',
    'x.gate.fresh.outbound',
    'x.gate.new.outbound',
    'y.gate.old.outbound',
    'x.old',
  ]
  const bus = {
    listTopics: async () => names,
    deleteTopics: async (topics: readonly string[]) => void deleted.push(...topics),
  }
  await Promise.all([1, 2].map(() => deleteGateTopics({ ended, locks, bus, prefix: 'x.', log: silentLog })))
  assert.deepEqual(deleted, ['x.gate.old.outbound'])
})
