import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createMetrics } from '../../../infra/metrics/metrics.js'
import { startOpsServer } from '../../../infra/metrics/ops-server.js'

let ready = false
let database = true
const metrics = createMetrics({ process: 'tests' })
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
  metrics.count('packets', { command: 'MSG_DATA' }, 2)
  metrics.count('packets', { command: 'MSG_DATA' })
  metrics.gauge('connections', () => connections)
  metrics.duration('batch', 7, { worker: 'users' })
  connections = 5
  const { text } = await get('/metrics?x=1')
  assert.match(text, /coffeechat_packets_total\{command="MSG_DATA",process="tests"\} 3/)
  assert.match(text, /coffeechat_connections\{process="tests"\} 5/)
  assert.match(text, /coffeechat_batch_ms_bucket\{le="10",.*worker="users"\} 1/)
})

test('anything else is a 404, whatever its path', async () => {
  for (const path of ['/', '//', '/nowhere']) assert.equal((await get(path)).status, 404)
})
