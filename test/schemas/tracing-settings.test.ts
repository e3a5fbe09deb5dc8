/** Settings of traces that are right, and that are not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError, readConfig } from '../../schemas/config.js'

const config = (env: NodeJS.ProcessEnv) => readConfig({ PROFILE: 'local', ...env })

test('without a collector nothing is recorded; headers are read with their escapes', () => {
  assert.equal(config({}).OTEL_EXPORTER_OTLP_ENDPOINT, undefined)
  const headers = 'authorization=Bearer%20abc=,x-tenant=1'
  assert.deepEqual(config({ OTEL_EXPORTER_OTLP_HEADERS: headers }).OTEL_EXPORTER_OTLP_HEADERS, {
    authorization: 'Bearer abc=',
    'x-tenant': '1',
  })
})

const wrong: readonly [string, string][] = [
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://user:word@collector:4318'],
  ['OTEL_EXPORTER_OTLP_HEADERS', 'authorization'],
  ['OTEL_EXPORTER_OTLP_HEADERS', 'a b=c'],
  ['OTEL_EXPORTER_OTLP_HEADERS', 'a=%'],
  ['OTEL_EXPORTER_OTLP_HEADERS', 'a=b%0d%0ac:d'],
  ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
  ['OTEL_TRACES_SAMPLER_ARG', 'always'],
  ['OTEL_EXPORTER_OTLP_TIMEOUT', '1'],
]
for (const [name, value] of wrong)
  test(`refused: ${name}=${value}`, () => {
    assert.throws(
      () => config({ [name]: value }),
      (error: ConfigError) =>
        error instanceof ConfigError && error.faults.every((fault) => fault.startsWith(name)),
    )
  })

test('headers that are refused are not shown: a key may be in them', () => {
  assert.throws(
    () => config({ OTEL_EXPORTER_OTLP_HEADERS: 'authorization=secret,wrong' }),
    ({ message }: Error) => !message.includes('secret,'),
  )
})
