import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createOutage, remedyOf } from '../../../infra/kafka/outage.js'
import { keepingLog } from './bus-fixture.js'

for (const [reason, remedy] of [
  [
    'no answer within 4994 ms; Disk error when trying to access log file on the disk',
    /disk .* full or broken/,
  ],
  ['Messages are rejected since there are fewer in-sync replicas than required', /min\.insync\.replicas/],
  ['Not authorized to access topics: [Topic authorization failed]', /rights/],
  ['no answer within 3000 ms; Connection error: connect ECONNREFUSED 127.0.0.1:9092', /are all brokers up/],
] as const)
  test(`what to do about "${reason.slice(0, 60)}"`, () => assert.match(remedyOf(reason), remedy))

test('an outage is told once for all producers, and once when it is over', () => {
  const log = keepingLog()
  let now = 0
  const outage = createOutage(log, () => now)
  const told = () => log.lines.filter(({ level }) => level !== 'debug').map(({ level }) => level)
  outage.passed()
  outage.failed('gateway', 'gone')
  outage.failed('delivery', 'gone')
  now = 9_000
  outage.failed('gateway', 'gone')
  // To another partition, say, while this one is still away.
  outage.passed()
  assert.deepEqual(told(), ['warn'])
  now = 19_000
  outage.passed()
  outage.passed()
  assert.deepEqual(told(), ['warn', 'info'])
  assert.equal(log.lines.at(-1)?.fields.lasted_ms, 9_000)
  outage.failed('gateway', 'gone')
  assert.deepEqual(told(), ['warn', 'info', 'warn'])
})
