/** The whole system behind PgBouncer in transaction mode, with two connections to the database for all. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createPool } from '../../infra/postgres/pool.js'
import { type Correspondence, openCorrespondence } from '../helpers/correspondence.js'
import { freshDatabase } from '../helpers/database.js'
import { silentLog } from '../helpers/log.js'
import { noPgBouncer, type PgBouncer, startPgBouncer } from '../helpers/pgbouncer.js'
import { ask } from '../helpers/postgres-servers.js'
import { randomNumbers } from '../helpers/random.js'
import { stack } from '../helpers/stack.js'
import { type System, startSystem } from '../helpers/system.js'

const skip = noPgBouncer
const within_ms = 60_000

let pooler: PgBouncer
let database: Awaited<ReturnType<typeof freshDatabase>>
let system: System
let correspondence: Correspondence
before(async () => {
  if (skip) return
  pooler = await startPgBouncer(stack().postgres)
  database = await freshDatabase()
  system = await startSystem({
    databaseUrl: database.url,
    env: {
      DATABASE_URL: pooler.through(database.url),
      DATABASE_MIGRATION_URL: database.url,
      DATABASE_POOLER: 'true',
      ACK_FLUSH_CRON: '*/2 * * * * *',
      RATE_LIMIT_PACKETS: '1000',
    },
  })
  correspondence = await openCorrespondence(system, 8, randomNumbers(1))
})
after(async () => {
  await correspondence?.stop()
  await system?.stop()
  await pooler?.stop()
  await database?.drop()
})

test('messages are stored, delivered, acked and pulled as without it', { skip }, async (t) => {
  const begun = performance.now()
  const tell = (what: string) => t.diagnostic(`${what} after ${Math.round(performance.now() - begun)} ms`)
  correspondence.write(20)
  await correspondence.resolved(within_ms)
  tell('all acked')
  await correspondence.arrived(within_ms)
  tell('all arrived')
  await correspondence.judge()
  tell('judged')
})

test('what our sessions need is stored with the role, by the setup', { skip }, async () => {
  const rows = await ask<{ name: string; setting: string }>(
    { connectionString: pooler.through(database.url) },
    "SELECT name, setting FROM pg_settings WHERE name IN ('enable_seqscan', 'jit', 'plan_cache_mode', 'statement_timeout') ORDER BY 1",
  )
  assert.deepEqual(
    rows.map(({ setting }) => setting),
    ['off', 'off', 'force_generic_plan', '6000'],
  )
})

test('without DATABASE_POOLER the pooler refuses our connections', { skip }, async () => {
  const pool = createPool(pooler.through(database.url), 1, silentLog)
  await assert.rejects(pool.query('SELECT 1'), /unsupported startup parameter/)
  await pool.end()
})
