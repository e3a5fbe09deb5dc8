/** PostgreSQL fails over under load: a crash of the primary, a standby that is still read-only, its promotion. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Correspondence, openCorrespondence } from '../helpers/correspondence.js'
import { openPartLink, type PartLink } from '../helpers/part-link.js'
import { ask, type PostgresServer, startReplicated } from '../helpers/postgres-servers.js'
import { randomNumbers } from '../helpers/random.js'
import { type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

const seed = Number(process.env.FAULTS_SEED ?? 1)
const recovery_ms = 60_000

let primary: PostgresServer
let standby: PostgresServer
let link: PartLink
let system: System
let correspondence: Correspondence
before(async () => {
  ;({ primary, standby } = await startReplicated())
  link = await openPartLink(primary.port)
  const url = new URL(primary.url)
  url.host = link.address
  system = await startSystem({
    databaseUrl: url.href,
    env: { RATE_LIMIT_PACKETS: '1000', ACK_FLUSH_CRON: '*/4 * * * * *' },
  })
  correspondence = await openCorrespondence(system, 8, randomNumbers(seed))
})
after(async () => {
  await correspondence?.stop()
  await system?.stop()
  await link?.close()
  await Promise.all([primary?.remove(), standby?.remove()])
})

test('what was acked is on the new primary, and the same process goes on with it', async (t) => {
  const process = system.processes.get('all')!
  const { pid } = process
  correspondence.write(40)
  await correspondence.progress(60, recovery_ms)
  await primary.end('SIGQUIT')
  // The address leads to the standby before that may write.
  link.leadTo(standby.port)
  const told = system.logs().length
  await until('refused as read-only', () => system.logs().slice(told).includes('read-only'), recovery_ms)
  t.diagnostic(`${correspondence.waiting()} messages are waiting for a primary`)
  await ask({ connectionString: standby.url }, 'SELECT pg_promote(true, 30)')
  correspondence.write(10)
  await correspondence.resolved(recovery_ms)
  await correspondence.arrived(recovery_ms)
  assert.equal(process.pid, pid)
  assert.ok(process.isRunning())
  await correspondence.judge()
})
