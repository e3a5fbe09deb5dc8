import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createMetrics } from '../../../infra/metrics/metrics.js'
import { startOpsServer } from '../../../infra/metrics/ops-server.js'
import { createPartChecks } from '../../../infra/metrics/parts.js'

let ready = false
let database = true
const metrics = createMetrics()
const server = await startOpsServer({
  host: '127.0.0.1',
  port: 0,
  isReady: () => ready,
  parts: async () => ({ database: { ok: database } }),
  exposition: metrics.exposition,
})
after(() => server.stop())

const get = async (path: string) => {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`)
  return { status: response.status, text: await response.text() }
}

test('a process is alive from its start, and ready with its roles and every part', async () => {
  assert.equal((await get('/healthz')).status, 200)
  assert.equal((await get('/readyz')).status, 503)
  ready = true
  assert.equal((await get('/readyz')).status, 200)
  database = false
  const { status, text } = await get('/readyz')
  assert.equal(status, 503)
  assert.deepEqual(JSON.parse(text).parts, { database: { ok: false }, roles: { ok: true } })
})

test('figures are counters, gauges that are read when asked for, and durations', async () => {
  let connections = 1
  metrics.count('packets_received', { command: 'MSG_DATA' }, 2)
  metrics.count('packets_received', { command: 'MSG_DATA' })
  metrics.count('packets_delivered')
  metrics.gauge('connections', () => connections)
  metrics.gauge('role_ready', () => [
    [{ role: 'users' }, 1],
    [{ role: 'login' }, 0],
  ])
  metrics.observe('worker_batch_duration_ms', 7, { worker: 'users' })
  metrics.observe('worker_batch_duration_ms', 10, { worker: 'users' })
  metrics.observe('worker_batch_duration_ms', 99_999, { worker: 'users' })
  connections = 5
  const { text } = await get('/metrics?x=1')
  const lines = new Set(text.split('\n'))
  for (const line of [
    '# TYPE coffeechat_packets_received_total counter',
    'coffeechat_packets_received_total{command="MSG_DATA"} 3',
    'coffeechat_packets_delivered_total 1',
    'coffeechat_connections 5',
    'coffeechat_role_ready{role="login"} 0',
    '# TYPE coffeechat_worker_batch_duration_ms histogram',
    'coffeechat_worker_batch_duration_ms_bucket{worker="users",le="5"} 0',
    'coffeechat_worker_batch_duration_ms_bucket{worker="users",le="10"} 2',
    'coffeechat_worker_batch_duration_ms_bucket{worker="users",le="30000"} 2',
    'coffeechat_worker_batch_duration_ms_bucket{worker="users",le="+Inf"} 3',
    'coffeechat_worker_batch_duration_ms_sum{worker="users"} 100016',
    'coffeechat_worker_batch_duration_ms_count{worker="users"} 3',
  ])
    assert.ok(lines.has(line), line)
  assert.match(text, /^nodejs_eventloop_lag_p99_seconds /m)
  assert.match(text, /^process_resident_memory_bytes /m)
})

test('anything else is a 404, whatever its path', async () => {
  for (const path of ['/', '//', '/nowhere']) assert.equal((await get(path)).status, 404)
})

test('parts that refuse, or do not answer within two seconds, are named; nobody asks more than once a second', async () => {
  let asked = 0
  const check = createPartChecks({
    bus: {
      isReachable: async () => {
        asked++
        return false
      },
    },
    redis: { ping: async () => 'PONG' as const },
    pool: { query: () => new Promise(() => {}) } as never,
  })
  const [parts] = await Promise.all([check(), check()])
  assert.deepEqual(parts, {
    bus: { ok: false, reason: 'Kafka does not answer' },
    cache: { ok: true },
    database: { ok: false, reason: 'PostgreSQL does not answer' },
  })
  assert.equal(asked, 1)
})
