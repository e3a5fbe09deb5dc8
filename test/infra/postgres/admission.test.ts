/** A PostgreSQL that cannot be used as it is, or as we are set up: said once, with what to do. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { seekDatabase } from '../../../infra/postgres/admission.js'
import { examineDatabase } from '../../../infra/postgres/examine.js'
import { migrate } from '../../../infra/postgres/migrate.js'
import { refuseOld } from '../../../infra/postgres/refusals.js'
import { databaseFindings } from '../../../ops/doctor/parts.js'
import { ConfigError, readConfig } from '../../../schemas/config.js'
import { EngineRefused } from '../../../schemas/engine-refused.js'
import { read } from '../../architecture/checkout.js'
import { type FreshDatabase, freshDatabase } from '../../helpers/database.js'
import { silentLog } from '../../helpers/log.js'
import { ask } from '../../helpers/postgres-servers.js'
import { run } from '../../helpers/program.js'
import { stack } from '../../helpers/stack.js'

const main = join(import.meta.dirname, '../../../main.js')
const role = `im_reader_${randomBytes(4).toString('hex')}`
let database: FreshDatabase
before(async () => {
  database = await freshDatabase()
  await ask({ connectionString: database.url }, `CREATE ROLE ${role} LOGIN PASSWORD 'of-the-tests'`)
})
after(async () => {
  await database?.drop()
  await ask({ connectionString: stack().postgres }, `DROP ROLE IF EXISTS ${role}`)
})

/** The database's URL, changed. */
function changed(change: (url: URL) => void): string {
  const url = new URL(database.url)
  change(url)
  return url.href
}
const asReader = () =>
  changed((url) => {
    url.username = role
    url.password = 'of-the-tests'
  })

const refused: readonly [title: string, url: () => string, says: RegExp][] = [
  [
    'a wrong password',
    () => changed((url) => (url.password = 'x')),
    /does not let us in .*: are the user and/,
  ],
  ['a database that is not there', () => `${database.url}_x`, /no such database .*--setup makes it/],
  [
    'a role without rights',
    asReader,
    /role im_reader_\w+ lacks rights .* such as on im_.*: let it be the role that runs --setup/,
  ],
]
for (const [title, url, says] of refused)
  test(`${title} is refused with what to do, at the start and by the doctor`, async () => {
    const isSaid = (error: Error) => error instanceof EngineRefused && says.test(error.message)
    await assert.rejects(seekDatabase(url()), (error: Error) => isSaid(error) || assert.fail(error))
    await assert.rejects(examineDatabase(url()), (error: Error) => isSaid(error) || assert.fail(error))
  })

test('the rights that the docs name for a role of its own are enough', async () => {
  const block = /```\n(GRANT USAGE ON SCHEMA[^`]*)```/.exec(read('docs/operate/postgres.md'))?.[1] ?? ''
  await ask({ connectionString: database.url }, block.replaceAll('TO coffeechat', `TO ${role}`))
  assert.deepEqual(await seekDatabase(asReader()), [])
})

test('a setup that may not make tables says which right it needs', async () => {
  const empty = await freshDatabase()
  const url = new URL(asReader())
  url.pathname = new URL(empty.url).pathname
  await ask({ connectionString: empty.url }, 'DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  const says = /lacks a right in PostgreSQL \(.*postgres\.md/
  await assert.rejects(
    migrate(url.href, silentLog),
    (error) => error instanceof EngineRefused && says.test(error.message),
  )
  await empty.drop()
})

test('a standby is waited for: it may become the primary', async () => {
  const name = new URL(database.url).pathname.slice(1)
  const writable = changed((url) => url.searchParams.set('options', '-c default_transaction_read_only=off'))
  await ask(
    { connectionString: database.url },
    `ALTER DATABASE ${name} SET default_transaction_read_only = on`,
  )
  try {
    const isWaitedFor = (error: Error) => !(error instanceof EngineRefused) && /read-only/.test(error.message)
    await assert.rejects(seekDatabase(database.url), isWaitedFor)
    await assert.rejects(examineDatabase(database.url), isWaitedFor)
  } finally {
    await ask({ connectionString: writable }, `ALTER DATABASE ${name} RESET default_transaction_read_only`)
  }
})

test('a newer schema stops the setup, is named by roles, which go on, and is wrong to the doctor', async () => {
  const newer = await freshDatabase()
  const add = "INSERT INTO im_migration (number, name, checksum) VALUES (9999, '9999_later.sql', 'x')"
  await ask({ connectionString: newer.url }, add)
  assert.match((await seekDatabase(newer.url)).join(), /belongs to a newer release \(9999_later\.sql\)/)
  const findings = databaseFindings(await examineDatabase(newer.url))
  assert.ok(findings.some(({ verdict, says }) => verdict === 'wrong' && says.includes('9999_later.sql')))

  const env = { DATABASE_URL: newer.url, KAFKA_BROKERS: stack().kafka, REDIS_URL: stack().redis }
  const setup = run([process.execPath, main, '--setup'], { env })
  assert.equal(await setup.ended(), 1)
  assert.match(setup.said(), /^The database has migration 9999_later\.sql, .*newer: run the release .*\n$/)
  await newer.drop()
})

test('a PostgreSQL before 14 is too old', () => {
  for (const version of ['9.6.24', '13.22']) assert.throws(() => refuseOld(version), /too old: 14 or newer/)
  for (const version of ['14.0', '18.1 (Debian 18.1-1)']) refuseOld(version)
})

test('a certificate that cannot be used stops the process with its setting', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-no-certificate-'))
  const file = join(folder, 'ca.crt')
  writeFileSync(file, 'nothing')
  const env = {
    DATABASE_URL: database.url,
    DATABASE_TLS_CA: file,
    KAFKA_BROKERS: stack().kafka,
    REDIS_URL: stack().redis,
  }
  const child = run([process.execPath, main, '--roles', 'users'], { env })
  assert.equal(await child.ended(), 1)
  assert.match(child.said(), /DATABASE_TLS_CA=.*ca\.crt: no certificate in PEM/)
  rmSync(folder, { recursive: true })
})

const faults: readonly [title: string, env: NodeJS.ProcessEnv, says: RegExp][] = [
  ['another scheme', { DATABASE_URL: 'mysql://a/b' }, /DATABASE_URL: postgres:\/\//],
  ['no database', { DATABASE_URL: 'postgres://a:1' }, /DATABASE_URL: postgres:\/\//],
  [
    'a pooler and no way around it',
    { DATABASE_URL: 'postgres://a/b', DATABASE_POOLER: 'true' },
    /needs DATABASE_MIGRATION_URL/,
  ],
  ['half a certificate', { DATABASE_TLS_KEY: '/x' }, /go together/],
]
for (const [title, env, says] of faults)
  test(`settings are refused: ${title}`, () =>
    assert.throws(
      () => readConfig(env),
      (error) => error instanceof ConfigError && says.test(error.message),
    ))
