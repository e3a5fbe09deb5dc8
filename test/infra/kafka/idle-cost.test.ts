import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collect, makeTopic, openBus } from './bus-fixture.js'

test('idle clients run hardly any timers', async (t) => {
  const bus = await openBus(t)
  const topic = await makeTopic(t, bus)
  for (let index = 0; index < 3; index++) await collect(bus, topic)
  const original = globalThis.setTimeout
  let timers = 0
  globalThis.setTimeout = ((...input: Parameters<typeof original>) => {
    timers += 1
    return original(...input)
  }) as typeof original
  const span_ms = 2_000
  await new Promise((resolve) => original(resolve, span_ms))
  globalThis.setTimeout = original
  // Without our schedule each connection makes about a thousand a second.
  assert.ok(timers < 50, `${timers} timers in ${span_ms} ms`)
})
