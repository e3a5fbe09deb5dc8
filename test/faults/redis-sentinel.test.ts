/**
 * Redis behind sentinels as careful operators run it: TLS on both sides, logins, and users with just the rights and
 * times that docs/operate/redis.md names. Its master is killed under load, twice.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { read } from '../architecture/checkout.js'
import { type Correspondence, openCorrespondence } from '../helpers/correspondence.js'
import { ops } from '../helpers/ops.js'
import { randomNumbers } from '../helpers/random.js'
import {
  acksStored,
  failOverSettings,
  recovery_ms,
  redisCertificates,
  settled,
} from '../helpers/redis-fail-over.js'
import {
  noRedisServer,
  type RedisServer,
  type SentinelGroup,
  startSentinels,
} from '../helpers/redis-servers.js'
import { newPrefix, type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

const skip = noRedisServer
/** Of all processes together about one fail-over: every consumer that was at work may say it for each partition. */
const fewLines = 60
const seed = Number(process.env.FAULTS_SEED ?? 1)
const password = 'of-the-tests'
const page = read('docs/operate/redis.md')
const prefix = newPrefix()
const certificates = redisCertificates()

/** What the page says. */
const said = (pattern: RegExp): string => pattern.exec(page)?.[1] ?? assert.fail(`redis.md lacks ${pattern}`)
const serverRights = said(/^ACL SETUSER coffeechat on >password (.*)$/m).replace('~im.*', `~${prefix}*`)
const sentinelRights = said(/the user of the sentinels needs `(.*?)`/)
const watch = {
  'down-after-milliseconds': Number(said(/`down-after-milliseconds (\d+)`/)),
  'failover-timeout': Number(said(/`failover-timeout (\d+)`/)),
}

let group: SentinelGroup
let settings: NodeJS.ProcessEnv
let system: System
let correspondence: Correspondence
before(async () => {
  if (skip) return
  group = await startSentinels({
    certificates: certificates.servers,
    server: { 'user coffeechat': `on >${password} ${serverRights}` },
    sentinel: { 'user watcher': `on >${password} ${sentinelRights}` },
    sentinelPassword: 'of-the-sentinels',
    watch,
  })
  settings = {
    ...group.settings,
    ...certificates.settings,
    REDIS_USERNAME: 'coffeechat',
    REDIS_SENTINEL_USERNAME: 'watcher',
    REDIS_SENTINEL_PASSWORD: password,
  }
  system = await startSystem({ prefix, gateways: 2, env: { ...settings, ...failOverSettings } })
  correspondence = await openCorrespondence(system, 12, randomNumbers(seed))
})
after(async () => {
  await correspondence?.stop()
  await system?.stop()
  await group?.stop()
  certificates.remove()
})

const isMaster = async ({ redis }: RedisServer): Promise<boolean> =>
  (await redis.info('replication')).includes('role:master')

/** Lines above info: what fails again and again is one line, and one when it is over. */
const complaints = (log: string): string[] =>
  log.split('\n').filter((line) => /^\{"level":"(warn|error|fatal)"/.test(line))

test('a master that is killed under load, and then its follower, take nothing with them', {
  skip,
}, async (t) => {
  const pids = [...system.processes.values()].map(({ pid }) => pid)
  const [first, second] = group.servers
  for (const [victim, heir] of [
    [first, second],
    [second, first],
  ] as const) {
    await until('a replica follows its master', group.isWhole, recovery_ms)
    const before = complaints(system.logs()).length
    correspondence.write(30)
    await correspondence.progress(60, recovery_ms)
    await victim.program.end('SIGKILL')
    const killed_ms = performance.now()
    const passed = () => `${Math.round(performance.now() - killed_ms)} ms after the kill`
    t.diagnostic(`killed with ${correspondence.waiting()} messages on their way`)
    await until('the replica is the master', () => isMaster(heir), recovery_ms)
    t.diagnostic(`a new master ${passed()}`)
    correspondence.write(10)
    await settled(system, correspondence, async () => heir)
    t.diagnostic(`all is there ${passed()}`)
    const told = complaints(system.logs()).length - before
    assert.ok(told <= fewLines, `${told} complaints about one fail-over`)
    await victim.restart()
  }
  await acksStored(system)
  assert.deepEqual(
    [...system.processes.values()].map(({ pid }) => pid),
    pids,
    'nobody had to start again',
  )
  await correspondence.judge()
  assert.ok(await group.isHeard('watcher'), 'the sentinels tell us of a new master')
  await until('a replica follows its master', group.isWhole, recovery_ms)
  const doctor = await ops({ ...system, redisUrl: group.settings.REDIS_URL }, 'doctor', settings)
  assert.equal(doctor.code, 0, doctor.said)
})
