/**
 * A disk is full: PostgreSQL's, or that of uploaded files. Senders hear so, nothing acked is lost, the log says what to
 * do, and all goes on by itself once there is room.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { type Correspondence, openCorrespondence } from '../helpers/correspondence.js'
import { type FreshDatabase, freshDatabase } from '../helpers/database.js'
import { formWith } from '../helpers/form.js'
import { ops } from '../helpers/ops.js'
import { randomNumbers } from '../helpers/random.js'
import { rowsOf } from '../helpers/rows.js'
import { mountSmallDisk, noSmallDisk, type SmallDisk } from '../helpers/small-disk.js'
import { stack } from '../helpers/stack.js'
import { type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

const recovery_ms = 60_000
const tablespace = `full_${randomBytes(4).toString('hex')}`

/** The system user of a server on this machine, or why the test cannot be run. */
async function serverOwner(): Promise<{ uid: number; gid: number } | string> {
  const missing = noSmallDisk()
  if (missing) return missing
  const [row] = await rowsOf<{ folder: string }>(
    stack().postgres,
    `SELECT current_setting('data_directory') AS folder`,
    [],
  )
  const { uid, gid } = statSync(row!.folder, { throwIfNoEntry: false }) ?? {}
  if (uid === undefined || gid === undefined) return 'PostgreSQL is on another machine'
  return { uid, gid }
}

const owner = await serverOwner()
const skip = typeof owner === 'string' ? owner : false

let disk: SmallDisk
let database: FreshDatabase
let files: SmallDisk
let system: System
let correspondence: Correspondence
before(async () => {
  if (typeof owner === 'string') return
  disk = mountSmallDisk(128, owner)
  files = mountSmallDisk(4)
  await rowsOf(stack().postgres, `CREATE TABLESPACE ${tablespace} LOCATION '${disk.folder}'`, [])
  database = await freshDatabase(tablespace)
  system = await startSystem({
    databaseUrl: database.url,
    env: { FILE_DIR: files.folder, RATE_LIMIT_PACKETS: '1000', MESSAGE_ACK_TIMEOUT_MS: '3000' },
  })
  correspondence = await openCorrespondence(system, 4, randomNumbers(1))
})
after(async () => {
  if (skip) return
  disk.free()
  await correspondence?.stop()
  await system?.stop()
  await database?.drop()
  await rowsOf(stack().postgres, `DROP TABLESPACE IF EXISTS ${tablespace}`, [])
  disk.unmount()
  files.unmount()
})

const logged = (what: string): string[] =>
  system
    .logs()
    .split('\n')
    .filter((line) => line.includes(what))

test("PostgreSQL's disk is full: senders hear SERVER_BUSY until there is room, and nothing is lost", {
  skip,
}, async () => {
  correspondence.write(10)
  await correspondence.progress(20, recovery_ms)
  disk.fill()
  // Longer messages than there can be room for in the pages that are begun.
  const [writer, reader] = correspondence.writers
  for (let turn = 0; turn < 40; turn++) writer!.send(reader!.user_id, `${turn}`.padEnd(20_000, 'x'))
  correspondence.write(10)
  const says = "PostgreSQL's disk is full: make room there or add to it"
  await until('the log says so', () => logged(says).length > 0, recovery_ms)
  const isBusy = () => writer!.busy() > 0
  await until('a sender hears SERVER_BUSY', isBusy, recovery_ms)
  assert.ok(correspondence.waiting() > 0)
  // Each partition says it once, not at each try.
  assert.ok(logged(says).length <= 4, logged(says).join('\n'))

  disk.free()
  await correspondence.resolved(recovery_ms)
  await correspondence.arrived(recovery_ms)
  await correspondence.judge()
})

test('the disk for files is full: an upload is answered with 507, leaves nothing, and the doctor knows', {
  skip,
}, async () => {
  const upload = (bytes: number) => {
    const { body, headers } = formWith(randomBytes(bytes))
    const url = `http://127.0.0.1:${system.http}/v1/files?user_id=${correspondence.writers[0]!.user_id}`
    const authorization = `Bearer ${system.apiKey}`
    return fetch(url, { method: 'POST', body: new Uint8Array(body), headers: { ...headers, authorization } })
  }
  assert.equal((await upload(100_000)).status, 201)
  files.fill()
  const kept = readdirSync(files.folder, { recursive: true }).length
  const refused = await upload(100_000)
  assert.equal(refused.status, 507)
  const { error } = (await refused.json()) as { error: { code: string } }
  assert.equal(error.code, 'NO_SPACE')
  assert.ok(Number(refused.headers.get('retry-after')) > 0)
  assert.match(logged('the disk of FILE_DIR is full')[0] ?? '', /make room/)
  const left = readdirSync(files.folder, { recursive: true }).filter((name) => String(name).includes('.part'))
  assert.deepEqual([left, readdirSync(files.folder, { recursive: true }).length - kept <= 1], [[], true])
  const { said } = await ops(system, 'doctor', { FILE_DIR: files.folder })
  assert.match(said, /WRONG +disk +FILE_DIR .*: 0 MiB of 4 MiB are free/)

  files.free()
  assert.equal((await upload(100_000)).status, 201)
})
