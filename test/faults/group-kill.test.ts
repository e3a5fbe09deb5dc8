/** kill -9 on what a group message passes through: I1 … I4 and I6 hold for groups too. */
import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import type pg from 'pg'
import { createPool } from '../../infra/postgres/pool.js'
import { allRoles } from '../../setup.js'
import { type Correspondent, createCorrespondent } from '../helpers/correspondent.js'
import { insertGroup } from '../helpers/group-rows.js'
import { silentLog } from '../helpers/log.js'
import { randomNumbers } from '../helpers/random.js'
import { type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

const seed = Number(process.env.FAULTS_SEED ?? 1)
const random = randomNumbers(seed)
const victims = ['message-store', 'group-fanout', 'delivery']
const members = [800_001, 800_002, 800_003, 800_004, 800_005, 800_006]
/** Before each kill. */
const messagesOfEach = 40
const recovery_ms = 60_000

let system: System
let pool: pg.Pool
let group: number
let writers: readonly Correspondent[]
before(async () => {
  system = await startSystem({
    roles: [allRoles.filter((role) => !victims.includes(role)), ...victims.map((role) => [role])],
    gateways: 2,
    env: { RATE_LIMIT_PACKETS: '1000', DELIVERY_CHECK_DELAYS_MS: '3000,6000,12000' },
  })
  pool = createPool(system.databaseUrl, 2, silentLog)
  const tokens = await system.api.registerAll(members)
  group = await insertGroup(pool, members)
  const ports = system.gateways.map(({ tcp }) => tcp)
  writers = members.map((user_id, at) => createCorrespondent({ user_id, token: tokens[at]!, ports }))
})
after(async () => {
  await Promise.all((writers ?? []).map((writer) => writer.stop()))
  await pool?.end()
  await system?.stop()
})

const sum = (of: (writer: Correspondent) => number) =>
  writers.reduce((total, writer) => total + of(writer), 0)
const acked = () => sum((writer) => writer.acked())
const waiting = () => sum((writer) => writer.waiting())

/** The numbers of the group that a member's device was given, each once, rising. */
const numbersShown = ({ journals }: Correspondent): number[] => {
  const entries = journals.flatMap((journal) => journal.entries)
  const received = entries.filter(({ kind, to_session_id }) => kind === 'received' && to_session_id === group)
  return [...new Set(received.map(({ server_msg_id }) => server_msg_id!))].sort((a, b) => a - b)
}

/** Of each member: the numbers of its rows, and what its session says. */
const memberRows = async () =>
  (
    await pool.query<{ user_id: number; numbers: number[]; unread: number; last_msg_id: number }>({
      text: `SELECT s.user_id, s.unread, s.last_msg_id,
                    ARRAY(SELECT m.msg_id FROM im_message_recv m
                           WHERE m.msg_to = s.user_id AND m.group_id = s.peer_id ORDER BY m.msg_id) AS numbers
               FROM im_session s WHERE s.session_type = 2 AND s.peer_id = $1 ORDER BY s.user_id`,
      values: [group],
    })
  ).rows

/** Everybody writes; in the middle of it these roles die, and come back. */
async function killAmid(roles: readonly string[], t: TestContext): Promise<void> {
  for (const writer of writers)
    for (let at = 1; at <= messagesOfEach; at++) writer.send(group, `message ${at}`)
  const goal = acked() + messagesOfEach
  await until(`${goal} are acked`, () => acked() >= goal, recovery_ms)
  const processes = roles.map((role) => system.processes.get(role)!)
  await Promise.all(processes.map((each) => each.kill('SIGKILL')))
  t.diagnostic(`killed: ${roles.join(', ')}, at ${acked()} acks`)
  await Promise.all(processes.map((each) => each.restart()))
}

test(`kill -9 of the workers of a group message loses, doubles and miscounts nothing (seed ${seed})`, async (t) => {
  const order = [...victims]
  while (order.length > 0) await killAmid(order.splice(random(order.length), 1), t)
  await killAmid(victims, t)
  await until(
    () => `all are acked, not ${acked()}`,
    () => waiting() === 0,
    recovery_ms,
  )
  assert.deepEqual(
    writers.flatMap(({ refusals }) => refusals),
    [],
  )

  const sent = (
    await pool.query<{ msg_from: number; msg_id: number }>({
      text: 'SELECT msg_from, msg_id FROM im_message_group WHERE group_id = $1 ORDER BY msg_id',
      values: [group],
    })
  ).rows
  assert.deepEqual(
    sent.map(({ msg_id }) => msg_id),
    Array.from({ length: acked() }, (_, at) => at + 2),
  )
  const foreign = (user_id: number) =>
    sent.filter(({ msg_from }) => msg_from !== user_id).map(({ msg_id }) => msg_id)
  await until(
    'every member’s device has every message of the others',
    () => writers.every((writer) => numbersShown(writer).length === foreign(writer.user_id).length),
    recovery_ms,
  )
  for (const writer of writers) assert.deepEqual(numbersShown(writer), foreign(writer.user_id))
  assert.deepEqual(
    await memberRows(),
    members.map((user_id) => ({
      user_id,
      numbers: foreign(user_id),
      unread: foreign(user_id).length,
      last_msg_id: sent.at(-1)?.msg_id,
    })),
  )
})
