import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { Kafka, logLevel } from 'kafkajs'
import pg from 'pg'
import { lives, type StandInCheckout, type Start, standInCheckout, until } from '../helpers/checkout.js'
import { stack } from '../helpers/stack.js'

/** Most facts need no Kafka of their own, which takes seconds to start. */
const borrowedKafka = { KAFKA_BROKERS: stack().kafka }

const livingPids = (pids: Record<string, number>) => Object.values(pids).filter(lives)

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

async function withTopics<T>(
  broker: string,
  use: (admin: ReturnType<Kafka['admin']>) => Promise<T>,
): Promise<T> {
  const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect()
  }
}

/** A checkout that is removed when the test is over; whatever a failed test left running is ended. */
function checkout(t: { after(leave: () => void): void }): StandInCheckout {
  const made = standInCheckout()
  t.after(() => {
    if (existsSync(join(made.dataDir, 'local.json')))
      for (const pid of livingPids(made.local().pids)) process.kill(pid, 'SIGKILL')
    made.remove()
  })
  return made
}

test('rows and topics outlive a restart; SIGTERM ends everything and exits with 0', async (t) => {
  const { start, local } = checkout(t)
  const first = start()
  await first.ready()
  const before = local()
  await query(before.postgres, 'CREATE TABLE kept AS SELECT 42 AS answer')
  await query(before.postgres, 'CREATE DATABASE another')
  await withTopics(before.kafka, (admin) =>
    admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 3 }] }),
  )
  first.child.kill('SIGTERM')
  assert.equal(await first.ended(), 0)
  assert.deepEqual(livingPids(before.pids), [])

  const second = start()
  await second.ready()
  const again = local()
  assert.deepEqual(await query(again.postgres, 'SELECT answer FROM kept'), [{ answer: 42 }])
  assert.equal((await withTopics(again.kafka, (admin) => admin.listTopics())).includes('kept'), true)
  assert.equal(again.api_key, before.api_key)
  second.child.kill('SIGINT')
  assert.equal(await second.ended(), 0)
})

test('the death of whoever started it takes everything down within 5 s', async (t) => {
  const { start, local } = checkout(t)
  const run = start({ env: borrowedKafka, shell: true })
  await run.ready()
  const { pids } = local()
  assert.notEqual(pids.starter, run.child.pid)
  run.child.kill('SIGKILL')
  await until('all are gone', () => livingPids(pids).length === 0, 5_000)
})

test('what our process started ends with it, be it frozen: at its death and at the stop', async (t) => {
  const { start, local, dataDir } = checkout(t)
  const file = `${dataDir}.stray`
  const stray = () => Number(readFileSync(file, 'utf8'))
  const run = start({ env: { ...borrowedKafka, STRAY: file } })
  await run.ready()
  const first = stray()
  assert.equal(lives(first), true)
  process.kill(local().pids.all ?? 0, 'SIGKILL')
  await until('its successor', () => / is back after /.test(run.said()))
  assert.equal(lives(first), false)
  const second = stray()
  assert.equal(lives(second), true)
  run.child.kill('SIGTERM')
  assert.equal(await run.ended(), 0)
  assert.equal(lives(second), false)
})

test('--processes runs each role as a process of that name', async (t) => {
  const { start, local } = checkout(t)
  const run = start({ env: { ...borrowedKafka, ROLES: 'gateway,login,users' }, args: ['--processes'] })
  await run.ready()
  assert.deepEqual(Object.keys(local().pids).sort(), [
    'gateway',
    'login',
    'postgres',
    'redis',
    'starter',
    'users',
  ])
  const ports = local().metrics_ports ?? {}
  assert.deepEqual(Object.keys(ports), ['gateway', 'login', 'users'])
  assert.equal(new Set(Object.values(ports)).size, 3)
  run.child.kill('SIGTERM')
  await run.ended()
})

const blocker = createServer()
after(() => blocker.close())

test('a port that was asked for and is taken is an error that names it', async (t) => {
  const { start, dataDir } = checkout(t)
  if (!blocker.listening) await once(blocker.listen(0, '127.0.0.1'), 'listening')
  const { port } = blocker.address() as { port: number }
  const run = start({ env: { ...borrowedKafka, TCP_PORT: String(port) } })
  assert.equal(await run.ended(), 1)
  assert.match(run.said(), new RegExp(`TCP_PORT=${port} is taken`))
  assert.equal(existsSync(join(dataDir, 'lock')), false)
})

test('stacks side by side have different ports, and the banner tells which moved', async (t) => {
  const [one, other] = [checkout(t), checkout(t)]
  const runs = [one.start({ env: borrowedKafka }), other.start({ env: borrowedKafka })]
  await Promise.all(runs.map((run) => run.ready()))
  const [first, second] = [one.local(), other.local()]
  for (const part of ['http', 'tcp', 'postgres', 'redis'] as const) assert.notEqual(first[part], second[part])
  assert.match(runs.map((run) => run.said()).join(''), /TCP is on \d+: 8000 is taken/)
  for (const run of runs) run.child.kill('SIGTERM')
  await Promise.all(runs.map((run) => run.ended()))
})

test('locks of a dead start, with pids that are others by now, are cleared', async (t) => {
  const { start, dataDir, local } = checkout(t)
  const first = start({ env: borrowedKafka })
  await first.ready()
  const cluster = join(local().postgres_folder ?? dataDir, 'postgres')
  first.child.kill('SIGTERM')
  await first.ended()
  writeFileSync(
    join(dataDir, 'lock'),
    JSON.stringify({ pid: process.pid, started: 'long ago', children: [] }),
  )
  writeFileSync(join(cluster, 'postmaster.pid'), `${process.pid}\n${cluster}\n`)
  const second = start({ env: borrowedKafka })
  await second.ready()
  second.child.kill('SIGTERM')
  assert.equal(await second.ended(), 0)
})

test('settings that are wrong are all named at once, before anything starts', async (t) => {
  const { start, dataDir } = checkout(t)
  const run = start({ env: { TCP_PORT: 'abc', HOST: '0.0.0.0', LOGIN_POLICY: 'none' } })
  assert.equal(await run.ended(), 1)
  assert.match(run.said(), /TCP_PORT/)
  assert.match(run.said(), /LOGIN_POLICY/)
  assert.equal(existsSync(dataDir), false)
})

describe('while a stack runs', () => {
  const { start, local, dataDir, remove } = standInCheckout()
  let run: Start

  before(async () => {
    run = start({ env: borrowedKafka })
    await run.ready()
  })
  after(async () => {
    run.child.kill('SIGTERM')
    await run.ended()
    remove()
  })

  test('local.json tells its owner alone where everything is', async () => {
    const { pids, ...addresses } = local()
    assert.equal(statSync(join(dataDir, 'local.json')).mode & 0o777, 0o600)
    assert.deepEqual(Object.keys(pids).sort(), ['all', 'postgres', 'redis', 'starter'])
    assert.equal(livingPids(pids).length, 4)
    assert.equal(pids.starter, run.child.pid)
    assert.equal(addresses.kafka, stack().kafka)
    const response = await fetch(`http://${addresses.http}/`)
    assert.deepEqual(await response.json(), { token: 'token-of-gate-1' })
    assert.match(run.said(), new RegExp(addresses.api_key))
  })

  test('PostgreSQL lives where its system user may go, when that is not the data folder', () => {
    const { postgres_folder } = local()
    const closed = process.getuid?.() === 0 // the folders of these tests are closed to other users
    assert.equal(postgres_folder?.startsWith('/var/tmp/coffeechat-') ?? false, closed)
    assert.equal(existsSync(join(postgres_folder ?? dataDir, 'postgres', 'PG_VERSION')), true)
  })

  test('secrets lie in files of their owner alone', () => {
    const { api_key } = local()
    const files = readdirSync(dataDir).filter((name) => statSync(join(dataDir, name)).isFile())
    const telling = files.filter((name) => readFileSync(join(dataDir, name), 'utf8').includes(api_key))
    assert.deepEqual(telling.sort(), ['local.json', 'stack.json'])
    for (const name of telling) assert.equal(statSync(join(dataDir, name)).mode & 0o077, 0, name)
  })

  test('a second start on its data folder is refused, and the first stays', async () => {
    const second = start({ env: borrowedKafka })
    assert.equal(await second.ended(), 1)
    assert.match(second.said(), /Another stack runs on .* \(process \d+\)/)
    assert.equal(livingPids(local().pids).length, 4)
  })

  test('PostgreSQL, Redis and our process come back where they were after kill -9', async () => {
    const { pids: former, ...addressesBefore } = local()
    await query(addressesBefore.postgres, 'CREATE TABLE kept AS SELECT 1 AS one')
    const { starter, ...killed } = former
    for (const pid of Object.values(killed)) process.kill(pid, 'SIGKILL')
    await until('all are back', () => (run.said().match(/ is back after /g) ?? []).length === 3)
    const { pids, ...addresses } = local()
    assert.deepEqual(addresses, addressesBefore)
    assert.equal(pids.starter, starter)
    assert.equal(livingPids(pids).length, 4)
    assert.deepEqual(await query(addresses.postgres, 'SELECT one FROM kept'), [{ one: 1 }])
    const redis = new Redis(addresses.redis)
    assert.equal(await redis.ping(), 'PONG')
    redis.disconnect()
  })

  test('kill -9 of the starter leaves no process and no local.json; the next start works', async () => {
    const { pids } = local()
    run.child.kill('SIGKILL')
    await until('all are gone', () => livingPids(pids).length === 0, 5_000)
    await until('local.json is gone', () => !existsSync(join(dataDir, 'local.json')), 5_000)
    run = start({ env: borrowedKafka })
    await run.ready()
    const next = local().pids
    run.child.kill('SIGKILL')
    run = start({ env: borrowedKafka }) // at once, while the guard is still ending the earlier one
    await run.ready()
    assert.deepEqual(livingPids(next), [])
  })
})
