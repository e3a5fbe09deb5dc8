/** Settings of the brokers that are refused, and why. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '../../schemas/config.js'
import { minInSyncReplicas } from '../../schemas/kafka-settings.js'

const login = { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'secret word' }

const faulty: readonly [title: string, NodeJS.ProcessEnv, RegExp][] = [
  ['a broker without a port', { KAFKA_BROKERS: 'kafka-1:9092,kafka-2' }, /KAFKA_BROKERS=.*host:port each/],
  [
    'an unknown mechanism',
    { ...login, KAFKA_SASL_MECHANISM: 'gssapi' },
    /KAFKA_SASL_MECHANISM=gssapi: .*scram-sha-512/,
  ],
  [
    'a mechanism without a user',
    { ...login, KAFKA_SASL_USERNAME: '' },
    /KAFKA_SASL_MECHANISM=plain needs KAFKA_SASL_USERNAME$/m,
  ],
  [
    'a mechanism alone',
    { KAFKA_SASL_MECHANISM: 'plain' },
    /needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD/,
  ],
  [
    'an authority without TLS',
    { KAFKA_TLS_CA: 'ca.pem' },
    /KAFKA_TLS_CA without KAFKA_TLS: set KAFKA_TLS=true/,
  ],
  [
    'a pair without TLS',
    { KAFKA_TLS_CERT: 'c.pem', KAFKA_TLS_KEY: 'k.pem' },
    /KAFKA_TLS_CERT, KAFKA_TLS_KEY without KAFKA_TLS/,
  ],
  [
    'a certificate without its key',
    { KAFKA_TLS: 'true', KAFKA_TLS_CERT: 'c.pem' },
    /KAFKA_TLS_CERT and KAFKA_TLS_KEY go together/,
  ],
  [
    'more copies in step than there are',
    { TOPIC_REPLICATION: '2', TOPIC_MIN_INSYNC_REPLICAS: '3' },
    /TOPIC_MIN_INSYNC_REPLICAS=3 is above TOPIC_REPLICATION=2/,
  ],
  ['no copy', { TOPIC_MIN_INSYNC_REPLICAS: '0' }, /TOPIC_MIN_INSYNC_REPLICAS=0/],
]

for (const [title, env, fault] of faulty)
  test(`refused: ${title}`, () => {
    assert.throws(
      () => readConfig(env),
      ({ message }: Error) => {
        assert.match(message, fault)
        assert.doesNotMatch(message, /secret word/)
        return true
      },
    )
  })

test('one broker may be away where it is not said how many', () => {
  const enough = [1, 2, 3, 5].map((copies) =>
    minInSyncReplicas(readConfig({ TOPIC_REPLICATION: String(copies) })),
  )
  assert.deepEqual(enough, [1, 1, 2, 4])
  assert.equal(minInSyncReplicas(readConfig({ TOPIC_REPLICATION: '3', TOPIC_MIN_INSYNC_REPLICAS: '1' })), 1)
})
