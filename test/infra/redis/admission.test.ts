/** A Redis that cannot be used as it is, or as we are set up: said once, at the start and by the doctor, with what to do. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createPendingAcks } from '../../../infra/redis/acks.js'
import { evicts, seekRedis } from '../../../infra/redis/admission.js'
import { createRedis } from '../../../infra/redis/client.js'
import { examineRedis } from '../../../infra/redis/examine.js'
import { redisKeys } from '../../../infra/redis/keys.js'
import { createEndedGates, createGateLease } from '../../../infra/redis/lease.js'
import { createOnlineUsers } from '../../../infra/redis/online.js'
import { createPresence } from '../../../infra/redis/presence.js'
import { redisFindings } from '../../../ops/doctor/parts.js'
import { ConfigError, readConfig } from '../../../schemas/config.js'
import { EngineRefused } from '../../../schemas/engine-refused.js'
import { redisAddress } from '../../../schemas/redis-settings.js'
import { read } from '../../architecture/checkout.js'
import { createAuthority } from '../../helpers/certificate.js'
import { silentLog } from '../../helpers/log.js'
import { run } from '../../helpers/program.js'
import { noRedisServer, type RedisServer, startRedisServer } from '../../helpers/redis-servers.js'
import { stack } from '../../helpers/stack.js'

const skip = noRedisServer
const main = join(import.meta.dirname, '../../../main.js')
const folder = mkdtempSync(join(tmpdir(), 'coffeechat-redis-tls-'))
const write = (name: string, content: Buffer): string => {
  const file = join(folder, name)
  writeFileSync(file, content)
  return file
}
const [authority, other] = [createAuthority('ours'), createAuthority('another')]
const own = authority.issue('redis', ['localhost'])
const late = authority.issue('redis', ['localhost'], [-3, -1])
const ours = authority.issue('coffeechat', [])
const files = {
  ca: write('ca.crt', authority.cert),
  otherCa: write('other.crt', other.cert),
  cert: write('redis.crt', own.cert),
  key: write('redis.key', own.key),
  lateCert: write('late.crt', late.cert),
  lateKey: write('late.key', late.key),
  ourCert: write('ours.crt', ours.cert),
  ourKey: write('ours.key', ours.key),
}
const password = 'of-the-tests'
/** As docs/operate/redis.md has them. */
const documentedRights =
  /^ACL SETUSER coffeechat on >password (.*)$/m.exec(read('docs/operate/redis.md'))?.[1] ?? ''

type Name =
  | 'plain'
  | 'replica'
  | 'secret'
  | 'rights'
  | 'evicting'
  | 'node'
  | 'sentinel'
  | 'tls'
  | 'expired'
  | 'mutual'
let servers: Record<Name, RedisServer>
/** A server that speaks TLS alone, on the port that it was given. */
const tls = (cert: string, key: string, wantsOurs: 'no' | 'yes') =>
  startRedisServer(
    {
      'tls-cert-file': cert,
      'tls-key-file': key,
      'tls-ca-cert-file': files.ca,
      'tls-auth-clients': wantsOurs,
    },
    { isTls: true },
  )

before(async () => {
  if (skip) return
  chmodSync(folder, 0o755)
  const plain = await startRedisServer()
  const users = {
    'user chat': `on >${password} ~* +@all -set`,
    'user documented': `on >${password} ${documentedRights}`,
  }
  const others = await Promise.all([
    startRedisServer({ replicaof: `127.0.0.1 ${plain.port}` }),
    startRedisServer({ requirepass: password }, { password }),
    startRedisServer(users),
    startRedisServer({ maxmemory: '64mb', 'maxmemory-policy': 'allkeys-lru' }),
    startRedisServer({ 'cluster-enabled': 'yes' }),
    startRedisServer({ 'sentinel monitor chat': `127.0.0.1 ${plain.port} 1` }, { isSentinel: true }),
    tls(files.cert, files.key, 'no'),
    tls(files.lateCert, files.lateKey, 'no'),
    tls(files.cert, files.key, 'yes'),
  ])
  const [replica, secret, rights, evicting, node, sentinel, secure, expired, mutual] = others
  servers = { plain, replica, secret, rights, evicting, node, sentinel, tls: secure, expired, mutual }
})
after(async () => {
  await Promise.all(Object.values(servers ?? {}).map((each) => each.stop()))
  rmSync(folder, { recursive: true, force: true })
})

type Given = readonly [server: Name, env?: NodeJS.ProcessEnv, scheme?: 'redis' | 'rediss', host?: string]

const settings = ([server, env, scheme = 'redis', host = '127.0.0.1']: Given): NodeJS.ProcessEnv => ({
  REDIS_URL: `${scheme}://${host}:${servers[server].port}`,
  ...env,
})

async function seek(given: Given) {
  const address = redisAddress(readConfig(settings(given)))
  const redis = createRedis(address, silentLog)
  try {
    return await seekRedis(redis, address, 'im.')
  } finally {
    redis.disconnect()
  }
}
const examine = async (given: Given) =>
  examineRedis(redisAddress(readConfig(settings(given))), 'im.', silentLog)

const ca = { REDIS_TLS_CA: files.ca }
const login = { REDIS_PASSWORD: password }
const refused: readonly [title: string, given: Given, says: RegExp][] = [
  ['a replica', ['replica'], /read-only: a replica.*REDIS_MODE=sentinel/],
  ['no password where one is wanted', ['secret'], /wants a password.*set REDIS_PASSWORD/],
  ['a wrong password', ['secret', { REDIS_PASSWORD: 'guessed' }], /does not let us in.*REDIS_PASSWORD/],
  ['a user without a right', ['rights', { ...login, REDIS_USERNAME: 'chat' }], /lacks a right.*redis\.md/],
  ['a node of a cluster as a single server', ['node'], /node of a Redis Cluster: set REDIS_MODE=cluster/],
  ['a single server as a cluster', ['plain', { REDIS_MODE: 'cluster' }], /REDIS_MODE does not fit/],
  ['a sentinel as a server', ['sentinel'], /leads to a sentinel: set REDIS_MODE=sentinel/],
  [
    'a master that sentinels do not know',
    ['sentinel', { REDIS_MODE: 'sentinel', REDIS_MASTER_NAME: 'caht' }],
    /do not know that master.*REDIS_MASTER_NAME/,
  ],
  ['TLS with an unknown authority', ['tls', {}, 'rediss', 'localhost'], /not trusted.*set REDIS_TLS_CA/],
  [
    'TLS with another authority',
    ['tls', { REDIS_TLS_CA: files.otherCa }, 'rediss', 'localhost'],
    /not trusted.*REDIS_TLS_CA/,
  ],
  ['TLS under another name', ['tls', ca, 'rediss'], /for another name/],
  ['TLS with an expired certificate', ['expired', ca, 'rediss', 'localhost'], /has expired: renew it/],
]
for (const [title, given, says] of refused)
  test(`${title} is refused with what to do, at the start and by the doctor`, { skip }, async () => {
    const isSaid = (error: Error) => error instanceof EngineRefused && says.test(error.message)
    await assert.rejects(seek(given), (error: Error) => isSaid(error) || assert.fail(error))
    await assert.rejects(examine(given), (error: Error) => isSaid(error) || assert.fail(error))
  })

// Either may be the end of a connection to a Redis that starts again.
const doubted: readonly [title: string, given: Given, says: RegExp][] = [
  ['TLS where none is spoken', ['plain', ca, 'rediss', 'localhost'], /does it speak TLS there/],
  ['TLS without our certificate where it is wanted', ['mutual', ca, 'rediss', 'localhost'], /REDIS_TLS_CERT/],
]
for (const [title, given, says] of doubted)
  test(`${title} is waited for, and explained`, { skip }, () => assert.rejects(seek(given), says))

const taken: readonly [title: string, given: Given][] = [
  ['without anything', ['plain']],
  ['with its password', ['secret', login]],
  ['through a sentinel', ['sentinel', { REDIS_MODE: 'sentinel', REDIS_MASTER_NAME: 'chat' }]],
  ['over TLS', ['tls', ca, 'rediss', 'localhost']],
  ['over TLS by an address', ['tls', { ...ca, REDIS_TLS_SERVERNAME: 'localhost' }, 'rediss']],
  [
    'over TLS with our certificate',
    ['mutual', { ...ca, REDIS_TLS_CERT: files.ourCert, REDIS_TLS_KEY: files.ourKey }, 'rediss', 'localhost'],
  ],
]
for (const [title, given] of taken)
  test(`a Redis is used ${title}`, { skip }, async () => {
    assert.equal((await seek(given))[0]?.role, 'master')
  })

test('the rights that the docs name are enough', { skip }, async () => {
  const user = { REDIS_USERNAME: 'documented', REDIS_PASSWORD: password }
  assert.equal((await examine(['rights', user])).liveGates, 0)
  const redis = createRedis(redisAddress(readConfig(settings(['rights', user]))), silentLog)
  const [keys, policy, identity] = [
    redisKeys('im.'),
    'one-per-type',
    { gate_id: 'a', gate_epoch: 1 },
  ] as const
  try {
    assert.equal(await createGateLease({ redis, keys, identity, lease_ms: 1_000 }).renew({}, 0), 'restored')
    const presence = createPresence({ redis, keys, policy })
    const acks = createPendingAcks({ redis, keys, lanes: 1, shown_ms: 0, presence, policy })
    await acks.claim([0])
    assert.deepEqual(await acks.read(0), [])
    assert.deepEqual((await createOnlineUsers({ redis, keys }).all()).users, [])
    assert.deepEqual(await createEndedGates({ redis, keys, policy }).silent(['a'], 1_000), [])
  } finally {
    redis.disconnect()
  }
})

test('a Redis that may throw our keys away is used, and named', { skip }, async () => {
  assert.ok((await seek(['evicting'])).some(evicts))
  const findings = redisFindings({ ...(await examine(['evicting'])), liveGates: 1 })
  assert.ok(findings.some(({ verdict, says }) => verdict === 'doubtful' && says.includes('allkeys-lru')))
})

test('a process whose Redis is a replica ends with that one line', { skip }, async () => {
  const env = { ...settings(['replica']), KAFKA_BROKERS: stack().kafka, DATABASE_URL: stack().postgres }
  const child = run([process.execPath, main, '--roles', 'presence'], { env })
  assert.equal(await child.ended(), 1)
  assert.match(child.said(), /^Redis is read-only: a replica.*\n$/)
})

const faults: readonly [title: string, env: NodeJS.ProcessEnv, says: RegExp][] = [
  ['another scheme', { REDIS_URL: 'http://a:1' }, /REDIS_URL: .*rediss:\/\/ for TLS/],
  ['several addresses and no mode', { REDIS_URL: 'redis://a:1,redis://b:1' }, /REDIS_MODE must say/],
  ['both schemes', { REDIS_URL: 'redis://a:1,rediss://b:1', REDIS_MODE: 'cluster' }, /all or none/],
  ['two users', { REDIS_URL: 'redis://u:p@a:1,redis://v:p@b:1', REDIS_MODE: 'cluster' }, /different users/],
  ['a database of a cluster', { REDIS_URL: 'redis://a:1/2', REDIS_MODE: 'cluster' }, /only number 0/],
  ['a database without a number', { REDIS_URL: 'redis://a:1/chat' }, /number of a database/],
  ['sentinels of no master', { REDIS_URL: 'redis://a:1', REDIS_MODE: 'sentinel' }, /REDIS_MASTER_NAME/],
  ['half a certificate', { REDIS_URL: 'rediss://a:1', REDIS_TLS_CERT: '/x' }, /go together/],
]
for (const [title, env, says] of faults)
  test(`settings are refused: ${title}`, () =>
    assert.throws(
      () => readConfig(env),
      (error) => error instanceof ConfigError && says.test(error.message),
    ))
