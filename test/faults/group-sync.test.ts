/** kill -9 on what groups are read through: syncs skip and double nothing, unread counts stay exact (I6). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { allRoles } from '../../setup.js'
import { type Correspondent, createCorrespondent } from '../helpers/correspondent.js'
import { connectDevice, type Device } from '../helpers/device.js'
import { rowsOf } from '../helpers/rows.js'
import { type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'
import { conditionHolds } from '../helpers/wait.js'

const session_type = CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_GROUP
const victims = ['group-fanout', 'read-marker', 'queries']
const members = [810_001, 810_002, 810_003, 810_004]
const readers = members.slice(2)
const messagesPerKill = 30
const recovery_ms = 60_000

let system: System
let groups: readonly number[]
let writers: readonly Correspondent[]
let tokens: readonly string[]
before(async () => {
  system = await startSystem({
    roles: [allRoles.filter((role) => !victims.includes(role)), ...victims.map((role) => [role])],
    env: { RATE_LIMIT_PACKETS: '1000', DATABASE_POOL: '3' },
  })
  tokens = await system.api.registerAll(members)
  const created = await Promise.all(
    [members, members.slice(1)].map((each) =>
      system.api.call('POST', '/v1/groups', {
        owner_id: String(each[0]),
        members: each.map(String),
        group_name: 'a group',
      }),
    ),
  )
  groups = created.map(({ body }) => Number(body.group_id))
  const ports = system.gateways.map(({ tcp }) => tcp)
  writers = members
    .slice(0, 2)
    .map((user_id, at) => createCorrespondent({ user_id, token: tokens[at]!, ports }))
})
after(async () => {
  await Promise.all((writers ?? []).map((writer) => writer.stop()))
  await system?.stop()
})

/** A member who syncs on and on, and reads what came, until nothing is missing. */
async function follow(device: Device, user_id: number, isComplete: (seen: Seen) => boolean): Promise<Seen> {
  const seen: Seen = new Map(groups.map((group) => [group, []]))
  let cursor = 0
  await until(
    () => `complete: ${[...seen.values()].map((numbers) => numbers.length)}`,
    async () => {
      // While its worker is dead a request is answered SERVER_BUSY, or late: it is asked again.
      const asked = { user_id, cursor, limit_count: 10 }
      const page = await device.ask('SYNC_REQ', asked, 'SYNC_RSP').catch(() => undefined)
      if (page === undefined) return false
      for (const { to_session_id, server_msg_id } of page.msg_list)
        seen.get(to_session_id)?.push(server_msg_id)
      cursor = page.next_cursor
      const last = page.msg_list.at(-1)
      if (last !== undefined) {
        const { to_session_id: session_id, client_msg_id: msg_id, server_msg_id } = last
        device.put('MSG_READ_ACK', { user_id, session_id, msg_id, session_type, server_msg_id })
      }
      return isComplete(seen)
    },
    5 * recovery_ms,
  )
  return seen
}
type Seen = ReadonlyMap<number, number[]>

/** What the session of each reader counts, and what there is to count. */
const unread = () =>
  rowsOf<{ unread: number; counted: number; read_msg_id: number }>(
    system.databaseUrl,
    `SELECT s.unread, s.read_msg_id::float8,
            (SELECT count(*) FROM im_message_group x WHERE x.group_id = s.peer_id AND x.msg_from <> s.user_id
                AND x.msg_id > s.read_msg_id AND x.msg_type <> 6)::integer AS counted
       FROM im_session s WHERE s.session_type = 2 AND s.user_id = ANY ($1)`,
    [readers],
  )

test('killed one after the other, the workers that groups are read through skip, double and miscount nothing', async (t) => {
  let writing = true
  const total = () => writers.reduce((sum, writer) => sum + writer.acked(), 0)
  // Each message is one of the first group or of the second; each group began with its creation.
  const isComplete = (seen: Seen) => !writing && [...seen.values()].flat().length === total() + groups.length
  const devices = await Promise.all(
    readers.map(async (user_id, at) => {
      const device = await connectDevice(system.tcp)
      assert.equal((await device.login(user_id, tokens[at + 2]!)).result_code, 0)
      return device
    }),
  )
  const following = Promise.all(readers.map((user_id, at) => follow(devices[at]!, user_id, isComplete)))

  for (const victim of [...victims, ...victims]) {
    for (let n = 0; n < messagesPerKill; n++) {
      writers[0]!.send(groups[0]!, `${n}`)
      writers[1]!.send(groups[n % 2]!, `${n}`)
    }
    const goal = total() + messagesPerKill
    await until(`${goal} are acked`, () => total() >= goal, recovery_ms)
    const running = system.processes.get(victim)!
    await running.kill('SIGKILL')
    t.diagnostic(`killed: ${victim}, at ${total()} acks`)
    await running.restart()
  }
  await until('all are acked', () => writers.every((writer) => writer.waiting() === 0), recovery_ms)
  writing = false

  for (const seen of await following)
    for (const numbers of seen.values())
      assert.deepEqual(
        numbers,
        numbers.map((_, at) => at + 1),
      )
  await conditionHolds('every unread count is exact', async () => {
    const sessions = await unread()
    assert.equal(sessions.length, readers.length * groups.length)
    return sessions.every((each) => each.unread === each.counted && each.read_msg_id > 1)
  })
  for (const device of devices) device.cut()
})
