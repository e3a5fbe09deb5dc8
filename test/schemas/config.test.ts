/** Settings that are wrong stop the start: each fault says which setting, what is wrong, and what is allowed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError, readConfig } from '../../schemas/config.js'

const production = { PROFILE: 'production', API_KEY: 'k', TOKEN_SECRET: '0123456789abcdef' }

function faultsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

const wrong: readonly [title: string, env: NodeJS.ProcessEnv, faults: readonly RegExp[]][] = [
  ['nothing set', {}, []],
  ['production with its secrets', production, []],
  [
    'production without its secrets',
    { PROFILE: 'production' },
    [/^API_KEY is not set: production needs/, /^TOKEN_SECRET is not set: production needs/],
  ],
  ['out of range', { TOPIC_PARTITIONS: '0' }, [/^TOPIC_PARTITIONS=0: .*>=1/]],
  ['not a number', { HTTP_PORT: 'web' }, [/^HTTP_PORT=web: a number is needed$/]],
  ['not one of those that there are', { LOG_LEVEL: 'loud' }, [/^LOG_LEVEL=loud: .*"info"/]],
  [
    'every fault at once',
    { TOPIC_PARTITIONS: '0', LEASE_MS: '5' },
    [/^TOPIC_PARTITIONS=0/, /^LEASE_MS=5: .*>=1000/],
  ],
  ['a secret that is too short, unseen', { TOKEN_SECRET: 'short-one' }, [/^TOKEN_SECRET is shorter than 16/]],
  [
    'a level of a room that there is not',
    { LOG_LEVELS: 'kafka=warn,kitchen=info' },
    [/^LOG_LEVELS=.*: kitchen=info: each is room=level; rooms are gateway/],
  ],
  ['half a pair', { TLS_CERT: 'cert.pem' }, [/^TLS_CERT and TLS_KEY go together/]],
  [
    'a message that no packet could carry',
    { MAX_MESSAGE_BYTES: '65536' },
    [/^MAX_PACKET_BYTES must be at least MAX_MESSAGE_BYTES \+ 8192/],
  ],
  ['the world, by the local profile', { HOST: '0.0.0.0' }, [/^HOST=0.0.0.0 is beyond loopback/]],
  [
    'a name that is nearly one of ours, in production',
    { ...production, KAFKA_BROKER: 'b:9092' },
    [/^KAFKA_BROKER is no setting: was KAFKA_BROKERS meant\?/],
  ],
  ['the same among what else a person has set', { KAFKA_BROKER: 'b:9092' }, []],
  ['what Kubernetes tells of its services', { ...production, KAFKA_SERVICE_HOST: '10.0.0.1' }, []],
]
for (const [title, env, faults] of wrong)
  test(`settings, ${title}: ${faults.length} faults`, () => {
    const found = faultsOf(env)
    assert.equal(found.length, faults.length, found.join('\n'))
    for (const [at, pattern] of faults.entries()) {
      assert.match(found[at]!, pattern)
      assert.ok(!found[at]!.includes('short-one'))
    }
  })
