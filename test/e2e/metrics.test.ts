/** Every process gives health and figures, and the figures say what went on. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { exposedName, type MetricName, metrics } from '../../schemas/metrics.js'
import { allRoles } from '../../setup.js'
import { createCrowd } from '../helpers/crowd.js'
import { figuresOf, total } from '../helpers/figures.js'
import { rowsOf } from '../helpers/rows.js'
import { type System, type SystemProcess, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

let system: System
let gate: SystemProcess
let worker: SystemProcess
before(async () => {
  const workers = allRoles.filter((role) => role !== 'gateway')
  const env = { METRICS_PORT: '0', RETENTION_CRON: '*/1 * * * * *' }
  system = await startSystem({ roles: [['gateway'], workers], env })
  const [first, second] = [...system.processes.values()]
  gate = first!
  worker = second!
})
after(() => system?.stop())

const get = async ({ metricsPort }: SystemProcess, path: string) => {
  const response = await fetch(`http://127.0.0.1:${metricsPort}${path}`)
  return { status: response.status, text: await response.text() }
}

test('a gateway and a process of workers live and are ready, each with its parts', async () => {
  for (const [process, parts] of [
    [gate, ['bus', 'cache', 'roles']],
    [worker, ['bus', 'cache', 'database', 'roles']],
  ] as const) {
    assert.equal((await get(process, '/healthz')).status, 200)
    const { status, text } = await get(process, '/readyz')
    assert.equal(status, 200, text)
    assert.deepEqual(Object.keys(JSON.parse(text).parts).toSorted(), parts)
  }
})

test('a message leaves its trace in the figures of every stage', async () => {
  const crowd = createCrowd(system)
  const { bo, adas, bos } = await crowd.pair()
  const msg_id = adas.send(bo.user_id, 'hello')
  await adas.acked(msg_id)
  bos.ack(await bos.received(msg_id))
  await conditionHolds(
    'the ack is counted',
    async () => total(await figuresOf(worker), 'worker_events', 'worker="ack-tracker"') >= 1,
  )

  const gates = await figuresOf(gate)
  assert.equal(gates.get('coffeechat_packets_received_total{command="MSG_DATA"}'), 1)
  assert.equal(gates.get('coffeechat_request_duration_ms_count{command="MSG_DATA"}'), 1)
  assert.equal(gates.get('coffeechat_delivery_age_ms_count'), 1)
  assert.equal(gates.get('coffeechat_ack_delay_ms_count'), 1)
  assert.equal(gates.get('coffeechat_logins_total{outcome="accepted"}'), 2)
  assert.equal(gates.get('coffeechat_connections'), 2)
  assert.equal(gates.get('coffeechat_lease_held'), 1)
  assert.ok(total(gates, 'bus_sent_records', 'producer="gateway"') >= 4)

  const workers = await figuresOf(worker)
  for (const name of ['message-store', 'delivery', 'login', 'ack-tracker']) {
    assert.ok(total(workers, 'worker_event_age_ms', `worker="${name}"`) >= 1, name)
    assert.equal(workers.get(`coffeechat_bus_lag_records{group="${name}"}`), 0)
    assert.equal(workers.get(`coffeechat_role_ready{role="${name}"}`), 1)
  }
  assert.equal(workers.get('coffeechat_redis_connected'), 1)
  assert.ok(total(workers, 'database_connections') >= 1)
  crowd.leave()
})

test('what is too old is removed by the job, and counted', async () => {
  const insert = `INSERT INTO im_push (push_id, place, digest, push_type, payload, offline, created, expires)
    VALUES ('old', '', '', '', '', 'drop', 1, 1), ('young', '', '', '', '', 'drop', $1, $1)`
  await rowsOf(system.databaseUrl, insert, [Date.now()])
  await conditionHolds('the old push is counted', async () =>
    (await figuresOf(worker)).has('coffeechat_retention_removed_total{kind="pushes"}'),
  )
  const left = await rowsOf<{ push_id: string }>(system.databaseUrl, 'SELECT push_id FROM im_push')
  assert.deepEqual(left, [{ push_id: 'young' }])
})

test('what is given is in the catalogue, with its labels and no others', async () => {
  const known = new Map((Object.keys(metrics) as MetricName[]).map((name) => [exposedName(name), name]))
  for (const process of [gate, worker])
    for (const sample of (await figuresOf(process)).keys()) {
      const [, shown = '', labels = ''] = /^(coffeechat_[a-z_]+)(?:\{(.*)\})?$/.exec(sample) ?? []
      if (shown === '') continue
      const name = known.get(shown) ?? known.get(shown.replace(/_(bucket|sum|count)$/, ''))
      assert.ok(name !== undefined, sample)
      const given = [...labels.matchAll(/([a-z_]+)="/g)].map(([, label]) => label!)
      assert.deepEqual(
        given.filter((label) => label !== 'le').toSorted(),
        [...metrics[name].labels].toSorted(),
        sample,
      )
    }
})
