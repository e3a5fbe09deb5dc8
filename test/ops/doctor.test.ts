/** What the doctor says of what it finds, by tables. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diskFinding } from '../../ops/doctor/disk.js'
import { reportOf } from '../../ops/doctor/doctor.js'
import type { Finding } from '../../ops/doctor/finding.js'
import { groupFindings } from '../../ops/doctor/groups.js'
import { logFolderFindings } from '../../ops/doctor/log-folders.js'
import { clockFinding, databaseFindings, redisFindings } from '../../ops/doctor/parts.js'
import { settingsFindings } from '../../ops/doctor/settings.js'
import { topicFindings } from '../../ops/doctor/topics.js'
import { readConfig } from '../../schemas/config.js'

const bad = (findings: readonly Finding[]) =>
  findings.filter(({ verdict }) => verdict !== 'ok').map(({ verdict, says }) => `${verdict}: ${says}`)

const production = { PROFILE: 'production', API_KEY: 'k', TOKEN_SECRET: '0123456789abcdef', HOST: '0.0.0.0' }

const settings: readonly [title: string, env: NodeJS.ProcessEnv, says: readonly RegExp[]][] = [
  ['the defaults are well', {}, []],
  ['a misspelt setting is named', { TOPIC_PREFX: 'x.' }, [/TOPIC_PREFX is set and ignored/]],
  [
    'what others call their variables is left alone',
    { PATH: '/bin', KAFKA_HEAP_OPTS: '-Xmx1g', TOPICS: '' },
    [],
  ],
  [
    'a secret without its URL',
    { PUSH_WEBHOOK_SECRET: 's' },
    [/PUSH_WEBHOOK_SECRET is set and ignored: there is no PUSH_WEBHOOK_URL/],
  ],
  [
    'a TLS port without a certificate',
    { TLS_PORT: '9443' },
    [/TLS_PORT is set and ignored: there is no TLS_CERT/],
  ],
  [
    'a password for brokers without a mechanism',
    { KAFKA_SASL_PASSWORD: 'p' },
    [/KAFKA_SASL_PASSWORD is set and ignored/],
  ],
  ['a gate id without a gateway', { ROLES: 'delivery', GATE_ID: 'g' }, [/GATE_ID is set and ignored/]],
  ['an empty value is not set', { TLS_PORT: '' }, []],
  [
    'one copy in production, and notifications that only the log gets',
    production,
    [/TOPIC_REPLICATION is 1/, /PUSH_PROVIDER is log/],
  ],
]

for (const [title, env, says] of settings)
  test(`settings: ${title}`, () => {
    const found = bad(settingsFindings(env, readConfig(env)))
    assert.equal(found.length, says.length, found.join('\n'))
    for (const [at, pattern] of says.entries()) assert.match(found[at]!, pattern)
  })

const wanted = {
  name: 'im.request.query',
  partitions: 4,
  config: {
    'cleanup.policy': 'delete',
    'retention.ms': '86400000',
    'message.timestamp.type': 'LogAppendTime',
    'max.message.bytes': '6291456',
  },
}
const layout = { partitions: 4, replicas: 3, outOfStep: 0, config: wanted.config }

const copies = { replication: 3, minInSync: 2 }

const layouts: readonly [title: string, changes: object, says: readonly RegExp[]][] = [
  ['as it should be', {}, []],
  ['kept for ever', { config: { ...wanted.config, 'retention.ms': '-1' } }, []],
  [
    'too small records',
    { config: { ...wanted.config, 'max.message.bytes': '1048588' } },
    [/wrong: .*1048588 bytes at most, and needs 6291456/],
  ],
  [
    "the producer's clock",
    { config: { ...wanted.config, 'message.timestamp.type': 'CreateTime' } },
    [/wrong: .*message.timestamp.type=CreateTime/],
  ],
  ['compacted', { config: { ...wanted.config, 'cleanup.policy': 'compact' } }, [/wrong: .*loses events/]],
  ['kept too short', { config: { ...wanted.config, 'retention.ms': '1000' } }, [/doubtful: .*for 1000 ms/]],
  ['other partitions', { partitions: 2 }, [/doubtful: .*has 2 partitions, not 4/]],
  ['too few copies', { replicas: 1 }, [/doubtful: .*1 of 3 copies/]],
  [
    'fewer copies in step than wanted',
    { config: { ...wanted.config, 'min.insync.replicas': '1' } },
    [/doubtful: .*min.insync.replicas=1, not 2: what is acked may be lost/],
  ],
  [
    'every copy in step',
    { config: { ...wanted.config, 'min.insync.replicas': '3' } },
    [/doubtful: .*min.insync.replicas=3, not 2: one broker that is away stops/],
  ],
  [
    'more copies in step than there are',
    { config: { ...wanted.config, 'min.insync.replicas': '4' } },
    [/wrong: .*min.insync.replicas=4 and fewer copies.*nothing can be written/],
  ],
  ['a broker is down', { outOfStep: 4 }, [/doubtful: .*not in step/]],
]

for (const [title, changes, says] of layouts)
  test(`topics: ${title}`, () => {
    const found = bad(topicFindings([wanted], new Map([[wanted.name, { ...layout, ...changes }]]), copies))
    assert.equal(found.length, says.length, found.join('\n'))
    for (const [at, pattern] of says.entries()) assert.match(found[at]!, pattern)
  })

test('topics: one that is missing is wrong', () => {
  assert.deepEqual(bad(topicFindings([wanted], new Map(), copies)), ['wrong: missing: im.request.query'])
})

const row = { topic: 'im.t', group: 'im.g', members: 1, lag: 0, dead_letters: 0 }

test('groups: nobody at work is wrong; behind and dead letters are doubtful; delays are no lag', () => {
  const found = bad(
    groupFindings([
      row,
      { ...row, group: 'idle', members: 0 },
      { ...row, group: 'late', lag: 7, age_ms: 61_000 },
      { ...row, group: 'delayed', lag: 7, age_ms: 3_000_000, delay_ms: 3_600_000 },
      { ...row, group: 'rejecting', dead_letters: 1 },
    ]),
  )
  assert.deepEqual(found, [
    'wrong: nobody works in idle',
    'doubtful: late is 7 records of im.t behind, the oldest 1m 1s old',
    'doubtful: rejecting has 1 dead letter of im.t',
  ])
})

test('clocks: half a second is doubtful, five are wrong, in both directions', () => {
  const verdicts = [0, 499, -499, 500, -500, 4_999, 5_000, -5_000].map((ms) => clockFinding('x', ms).verdict)
  assert.deepEqual(verdicts, ['ok', 'ok', 'ok', 'doubtful', 'doubtful', 'doubtful', 'wrong', 'wrong'])
})

const database = { version: '18', ahead_ms: 0, pending: [], foreign: [], connections: 5, maxConnections: 100 }

test('database: what has not run, what is not ours, and too few connections', () => {
  assert.deepEqual(bad(databaseFindings(database)), [])
  assert.match(bad(databaseFindings({ ...database, pending: ['0002_b.sql'] }))[0]!, /wrong: .*0002_b/)
  assert.match(
    bad(databaseFindings({ ...database, foreign: ['0099_z.sql'] }))[0]!,
    /wrong: .*another release/,
  )
  assert.match(bad(databaseFindings({ ...database, connections: 90 }))[0]!, /doubtful: nearly all/)
})

test('disks: little room is doubtful, none is wrong, by size and by share; a small disk that is empty is well', () => {
  const [mebibyte, gibibyte] = [2 ** 20, 2 ** 30]
  const verdicts = [
    [50 * gibibyte, 100 * gibibyte],
    [4 * gibibyte, 100 * gibibyte],
    [900 * mebibyte, 10 * gibibyte],
    [0.5 * gibibyte, 100 * gibibyte],
    [100 * mebibyte, 1 * gibibyte],
    [60 * mebibyte, 64 * mebibyte],
    [0, 64 * mebibyte],
  ].map(
    ([free_bytes = 0, total_bytes = 0]) =>
      diskFinding({ setting: 'FILE_DIR', folder: '/files', free_bytes, total_bytes }).verdict,
  )
  assert.deepEqual(verdicts, ['ok', 'doubtful', 'doubtful', 'wrong', 'wrong', 'ok', 'wrong'])
})

const redis = {
  version: '7',
  ahead_ms: 0,
  masters: 1,
  evictionPolicy: 'noeviction',
  maxMemoryBytes: 0,
  liveGates: 1,
}

test('disks of brokers: little room and a folder that is given up are named, with the broker', () => {
  const room = { free_bytes: 4 * 2 ** 30, total_bytes: 10 * 2 ** 30 }
  const at = { broker: 'kafka-1:9092', folder: '/log', offline: false }
  assert.deepEqual(bad(logFolderFindings([{ ...at, room }, at])), [])
  assert.deepEqual(bad(logFolderFindings(undefined)), [])
  assert.deepEqual(
    bad(
      logFolderFindings([
        { ...at, room: { ...room, free_bytes: 0 } },
        { ...at, offline: true },
      ]),
    ),
    [
      'wrong: broker kafka-1:9092 (/log): 0 MiB of 10240 MiB are free',
      'wrong: broker kafka-1:9092 does not use /log any more: that disk is full or broken',
    ],
  )
})

test('Redis: one that throws keys away is doubtful, and no gateway is wrong', () => {
  assert.deepEqual(bad(redisFindings(redis)), [])
  assert.deepEqual(bad(redisFindings({ ...redis, evictionPolicy: 'allkeys-lru' })), [])
  const evicting = { ...redis, evictionPolicy: 'allkeys-lru', maxMemoryBytes: 1 }
  assert.match(bad(redisFindings(evicting))[0]!, /doubtful: maxmemory-policy is allkeys-lru/)
  assert.match(bad(redisFindings({ ...redis, liveGates: 0 }))[0]!, /wrong: no gateway/)
})

test('the exit code is 1 only where something is wrong', () => {
  const found = { part: 'topics', says: 'x', remedy: 'y' }
  assert.equal(reportOf([{ ...found, verdict: 'doubtful' }]).exitCode, 0)
  const report = reportOf([{ ...found, verdict: 'wrong' }])
  assert.equal(report.exitCode, 1)
  assert.match(report.text.join('\n'), /WRONG +topics {2}x\n +→ y/)
})
