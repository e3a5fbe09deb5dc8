/**
 * PostgreSQL is lost and restored from a copy of every table that is older than what clients have seen
 * (docs/operate/backup.md): what happened since comes back from the bus, and nothing new takes an old number.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { roleNames } from '../../infra/local/roles.js'
import type { Operation } from '../../ops/consumer-groups.js'
import { lagOf } from '../../ops/topic-lag.js'
import { CIM } from '../../proto/index.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import { freshDatabase } from '../helpers/database.js'
import type { Device } from '../helpers/device.js'
import { openOperation, ops } from '../helpers/ops.js'
import { pullAll } from '../helpers/pull.js'
import { rowsOf } from '../helpers/rows.js'
import { type System, startSystem } from '../helpers/system.js'
import { copyIn, copyOut, readContents, type TableCopies } from '../helpers/table-copies.js'
import { conditionHolds } from '../helpers/wait.js'

/** As `npm run ops -- restored` names them. */
const phases = [
  ['users', 'org', 'contacts', 'files', 'groups'],
  ['message-store', 'group-fanout'],
  ['session-settings', 'read-marker', 'ack-tracker'],
]
const rest = roleNames.filter((role) => !phases.flat().includes(role))

let system: System
let crowd: Crowd
let operation: Operation
let ada: User
let bo: User
/** Registered after the copy was made. */
let cy: User
let group_id: string
let copies: TableCopies
let copied_at: number
/** What clients keep. */
let boCursor: number
let five: string
let seen: Awaited<ReturnType<typeof pullAll>>

before(async () => {
  system = await startSystem({ roles: [rest, ...phases], env: { ACK_FLUSH_CRON: '*/1 * * * * *' } })
  crowd = createCrowd(system)
  operation = await openOperation(system)
})
after(async () => {
  crowd?.leave()
  await operation?.bus.close()
  if (copies) rmSync(copies.folder, { recursive: true })
  await system?.stop()
})

async function sync(device: Device, user_id: number, from = 0): Promise<{ ids: string[]; cursor: number }> {
  const ids: string[] = []
  for (let cursor = from; ; ) {
    const page = await device.ask('SYNC_REQ', { user_id, cursor, limit_count: 3 }, 'SYNC_RSP')
    ids.push(...page.msg_list.map((each) => each.client_msg_id))
    cursor = page.next_cursor
    if (!page.has_more) return { ids, cursor }
  }
}

/** By session: what was read again is newer in the list. */
const seenBy = async (device: Device) =>
  (await pullAll(device, bo.user_id)).sort((one, other) => one.peer_id - other.peer_id)

const markRead = (device: Device, from: User, server_msg_id: number) =>
  device.put('MSG_READ_ACK', {
    user_id: bo.user_id,
    session_id: from.user_id,
    session_type: CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_SINGLE,
    msg_id: 'the number decides',
    server_msg_id,
  })

const unreadOfBo = async () =>
  (
    await rowsOf<{ unread: number }>(
      system.databaseUrl,
      'SELECT unread FROM im_session WHERE user_id = $1 AND peer_id = $2',
      [bo.user_id, ada.user_id],
    )
  )[0]?.unread

const isIdle = (names: readonly string[]) => async () =>
  (await lagOf(operation))
    .filter(({ group }) => names.includes(group.slice(system.prefix.length)))
    .every(({ lag }) => lag === 0)

test('a copy of every table goes into an empty database, and the two are the same', async () => {
  ;[ada, bo] = [await crowd.newUser(), await crowd.newUser()]
  const created = await system.api.post('/v1/groups', {
    owner_id: String(ada.user_id),
    group_name: 'before',
    members: [String(bo.user_id)],
  })
  assert.equal(created.status, 201)
  group_id = created.body.group_id
  const adas = await crowd.online(ada)
  for (const text of ['one', 'two', 'three']) await adas.say(bo.user_id, text)
  await adas.say(Number(group_id), 'to all')
  await conditionHolds('the group has its rows', isIdle(phases.flat()))

  copied_at = Date.now()
  copies = await copyOut(system.databaseUrl)
  const empty = await freshDatabase()
  await copyIn(empty.url, copies)
  assert.deepEqual(await readContents(empty.url), copies.contents)
  assert.ok(Object.keys(copies.contents).length > 30)
  await empty.drop()
})

test('what happened after the copy is seen by clients, and then the database is lost', async () => {
  const [adas, bos] = [await crowd.online(ada), await crowd.online(bo)]
  await adas.say(bo.user_id, 'four')
  five = adas.send(bo.user_id, 'five')
  await adas.acked(five)
  await adas.say(bo.user_id, 'six')
  await adas.say(Number(group_id), 'to all again')
  cy = await crowd.newUser()
  await (await crowd.online(cy)).say(bo.user_id, 'from who came later')
  markRead(bos, ada, 5)
  await conditionHolds('bo has read five of six', async () => (await unreadOfBo()) === 1)
  boCursor = (await sync(bos, bo.user_id)).cursor
  seen = await seenBy(bos)

  const refused = await ops(system, 'restored --from 1h')
  assert.equal(refused.code, 1)
  assert.match(refused.said, /Stop every process of CoffeeChat first/)
  crowd.leave()
  for (const each of system.processes.values()) assert.equal(await each.kill('SIGTERM'), 0)
  const empty = await freshDatabase()
  await copyIn(empty.url, copies)
  const server = new URL(system.databaseUrl)
  const [lost, restored] = [server.pathname.slice(1), new URL(empty.url).pathname.slice(1)]
  server.pathname = '/postgres'
  await rowsOf(server.href, `DROP DATABASE ${lost} WITH (FORCE)`)
  await rowsOf(server.href, `ALTER DATABASE ${restored} RENAME TO ${lost}`)
  assert.equal((await rowsOf(system.databaseUrl, 'SELECT FROM im_user')).length, 2)
})

test('the groups that store read again, phase by phase, and conversations are renumbered', async () => {
  const from = new Date(copied_at - 1_000).toISOString()
  const looked = await ops(system, `restored --from ${from} --dry-run`)
  assert.match(looked.said, /message-store +\S+message\.submitted +[1-9][\s\S]*Nothing was done/)
  const restored = await ops(system, `restored --from ${from}`)
  assert.equal(restored.code, 0, restored.said)
  const early = await ops(system, 'renumber')
  assert.match(early.said, /has \d+ records? to handle/)
  for (const roles of phases) {
    assert.ok(restored.said.includes(`--roles ${roles.join(',')}\n`), restored.said)
    const each = system.processes.get(roles.join(','))!
    await each.restart()
    await conditionHolds(`${roles} have handled it`, isIdle(roles))
    assert.equal(await each.kill('SIGTERM'), 0)
  }
  const skipped = await ops(system, 'skip delivery')
  assert.match(skipped.said, /has not handled [1-9]\d* records?/)
  const renumbered = await ops(system, 'renumber')
  assert.match(renumbered.said, /3 conversations will go on/)
  await Promise.all([...system.processes.values()].map((each) => each.restart()))
})

test('history, numbers, unread counts and users are those that clients knew', async () => {
  const bos = await crowd.online(bo)
  assert.deepEqual(await seenBy(bos), seen)
  assert.equal(await unreadOfBo(), 1)
  await crowd.online(cy)
})

test('what is new has numbers and a place in the timeline behind all that clients have seen', async () => {
  const [adas, bos] = [await crowd.online(ada), await crowd.online(bo)]
  const msg_id = adas.send(bo.user_id, 'seven')
  const { server_msg_id } = await adas.acked(msg_id)
  assert.equal(server_msg_id, 1_000_007)
  assert.equal((await bos.received(msg_id)).server_msg_id, server_msg_id)
  const { ids } = await sync(bos, bo.user_id, boCursor)
  assert.ok(ids.includes(msg_id))
  assert.ok((await sync(bos, bo.user_id)).ids.includes(msg_id))
  assert.equal(new Set(ids).size, ids.length)
  const later = await system.api.post('/v1/groups', { owner_id: String(ada.user_id), group_name: 'after' })
  assert.ok(Number(later.body.group_id) >= Number(group_id) + 1_000_000)
})

test('a repeat of what was lost and came back is answered with its number', async () => {
  const device = await crowd.online(ada)
  device.send(bo.user_id, 'five', { msg_id: five })
  assert.equal((await device.acked(five)).server_msg_id, 5)
})
