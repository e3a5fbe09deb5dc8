/** A group crosses the limit of write diffusion, up and down, while members write and the fan-out is killed: nobody can tell. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CIM } from '../../proto/index.js'
import { allRoles } from '../../setup.js'
import { type Correspondent, createCorrespondent } from '../helpers/correspondent.js'
import { connectDevice, type Device } from '../helpers/device.js'
import { pullAll } from '../helpers/pull.js'
import { rowsOf } from '../helpers/rows.js'
import { type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

const session_type = CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_GROUP
const notification = 6
/** Three members stay, so with a guest the group is above it. */
const limit = 3
const [away, ...writing] = [820_001, 820_002, 820_003] as const
const guests = [820_004, 820_005]
const everybody = [away, ...writing, ...guests]
const rounds = 3
const messagesPerRound = 24
const recovery_ms = 60_000

let system: System
let group: number
let tokens: ReadonlyMap<number, string>
let online: readonly Correspondent[]
before(async () => {
  system = await startSystem({
    roles: [allRoles.filter((role) => role !== 'group-fanout'), ['group-fanout']],
    gateways: 2,
    env: {
      RATE_LIMIT_PACKETS: '1000',
      GROUP_WRITE_DIFFUSION_MAX: String(limit),
      DELIVERY_CHECK_DELAYS_MS: '3000,6000,12000',
      ACK_FLUSH_CRON: '*/1 * * * * *',
    },
  })
  const given = await system.api.registerAll(everybody)
  tokens = new Map(everybody.map((user_id, at) => [user_id, given[at]!]))
  const made = await system.api.post('/v1/groups', {
    owner_id: String(away),
    members: writing.map(String),
    group_name: 'a group',
  })
  group = Number(made.body.group_id)
  const ports = system.gateways.map(({ tcp }) => tcp)
  online = [...writing, ...guests].map((user_id) =>
    createCorrespondent({ user_id, token: tokens.get(user_id)!, ports }),
  )
})
after(async () => {
  await Promise.all((online ?? []).map((each) => each.stop()))
  await system?.stop()
})

const writers = () => online.slice(0, writing.length)
const acked = () => writers().reduce((total, writer) => total + writer.acked(), 0)
/** Of the app server, as the owner. */
const changeMembers = async (method: 'POST' | 'DELETE') => {
  const body = { members: guests.map(String) }
  const { status } = await system.api.call(method, `/v1/groups/${group}/members`, body)
  assert.equal(status, 200)
}

interface Stored {
  readonly msg_id: number
  readonly msg_from: number
  readonly msg_type: number
}
const stored = () =>
  rowsOf<Stored>(
    system.databaseUrl,
    `SELECT msg_id, msg_from, msg_type FROM im_message_group WHERE group_id = ${group} ORDER BY msg_id`,
  ).then((rows) =>
    rows.map((row) => ({ ...row, msg_id: Number(row.msg_id), msg_from: Number(row.msg_from) })),
  )

/** The guests' memberships, from number to number. */
const visits: { joined: number; left: number }[] = []

const guestsCome = () => changeMembers('POST')

async function guestsGo(): Promise<void> {
  await changeMembers('DELETE')
  const rows = await rowsOf<{ joined: string; left: string }>(
    system.databaseUrl,
    `SELECT joined_at_msg_id AS joined, left_at_msg_id AS left FROM im_group_member
      WHERE group_id = ${group} AND user_id = ${guests[0]}`,
  )
  visits.push({ joined: Number(rows[0]?.joined), left: Number(rows[0]?.left) })
}

/** Everybody writes; meanwhile the guests come, the fan-out dies, the guests go, and it dies again. */
async function crossTheLimit(): Promise<void> {
  const before = acked()
  for (let at = 1; at <= messagesPerRound; at++)
    for (const writer of writers()) writer.send(group, `message ${at}`)
  const fanout = system.processes.get('group-fanout')!
  const ackedMore = (part: number) =>
    until('some are acked', () => acked() >= before + messagesPerRound * writers().length * part, recovery_ms)
  await ackedMore(0.2)
  await guestsCome()
  await ackedMore(0.5)
  await fanout.kill('SIGKILL')
  await guestsGo()
  await fanout.restart()
  await ackedMore(1)
}

const numbersShown = ({ journals }: Correspondent): number[] => {
  const entries = journals.flatMap((journal) => journal.entries)
  const received = entries.filter(({ kind, to_session_id }) => kind === 'received' && to_session_id === group)
  return [...new Set(received.map(({ server_msg_id }) => server_msg_id!))].sort((a, b) => a - b)
}

async function synced(device: Device, user_id: number): Promise<number[]> {
  const seen: number[] = []
  for (let cursor = 0; ; ) {
    const page = await device.ask('SYNC_REQ', { user_id, cursor, limit_count: 9 }, 'SYNC_RSP')
    seen.push(...page.msg_list.map(({ server_msg_id }) => server_msg_id))
    cursor = page.next_cursor
    if (!page.has_more) return seen
  }
}

async function login(user_id: number): Promise<Device> {
  const device = await connectDevice(system.tcp)
  const client_type = CIM.Def.CIMClientType.kCIM_CLIENT_TYPE_WEB
  assert.equal((await device.login(user_id, tokens.get(user_id)!, { client_type })).result_code, 0)
  return device
}

/** What a user pulls of the group on a device of theirs that was never there before. */
async function pulled(user_id: number) {
  const device = await login(user_id)
  const all = await pullAll(device, user_id)
  const timeline = await synced(device, user_id)
  device.cut()
  const { unread, messages } = all.find(({ peer_id }) => peer_id === group)!
  return { unread, history: messages.map(({ server_msg_id }) => server_msg_id), timeline }
}

test('members who stay get, count, pull and sync every message once', async () => {
  for (let round = 1; round <= rounds; round++) await crossTheLimit()
  const messages = await stored()
  assert.deepEqual(
    messages.map(({ msg_id }) => msg_id),
    messages.map((_, at) => at + 1),
  )
  assert.equal(messages.filter(({ msg_type }) => msg_type !== notification).length, acked())
  const foreign = (user_id: number) => messages.filter(({ msg_from }) => msg_from !== user_id)
  const numbers = (some: readonly Stored[]) => some.map(({ msg_id }) => msg_id)
  await until(
    () => `the writers’ devices have all: ${writers().map((writer) => numbersShown(writer).length)}`,
    () => writers().every((writer) => numbersShown(writer).length >= foreign(writer.user_id).length),
    recovery_ms,
  )
  for (const writer of writers()) assert.deepEqual(numbersShown(writer), numbers(foreign(writer.user_id)))
  for (const user_id of [away, ...writing]) {
    const expected = foreign(user_id).filter(({ msg_type }) => msg_type !== notification).length
    assert.deepEqual(await pulled(user_id), {
      unread: expected,
      history: numbers(messages),
      timeline: numbers(messages),
    })
  }
})

test('guests get what was said while they were there, and nothing else', async () => {
  const messages = await stored()
  const within = messages.filter(({ msg_id }) =>
    visits.some(({ joined, left }) => joined <= msg_id && msg_id < left),
  )
  const [first] = online.slice(writing.length) as [Correspondent]
  await until(
    () => `${numbersShown(first).length} of ${within.length} have come`,
    () => numbersShown(first).length >= within.length,
    recovery_ms,
  )
  assert.deepEqual(
    numbersShown(first),
    within.map(({ msg_id }) => msg_id),
  )
  const last = visits.at(-1)!
  const { unread, history } = await pulled(guests[0]!)
  const lastVisit = messages.filter(({ msg_id }) => last.joined <= msg_id && msg_id < last.left)
  assert.deepEqual(
    history,
    lastVisit.map(({ msg_id }) => msg_id),
  )
  assert.equal(unread, lastVisit.filter(({ msg_type }) => msg_type !== notification).length)
})

test('messages above the limit have no rows; the others have one for each reader', async () => {
  const [switches, rows] = await Promise.all([
    rowsOf<{ from_msg_id: string; by_reading: boolean }>(
      system.databaseUrl,
      `SELECT from_msg_id, by_reading FROM im_group_diffusion WHERE group_id = ${group} ORDER BY 1`,
    ),
    rowsOf<{ msg_id: string; readers: string }>(
      system.databaseUrl,
      `SELECT msg_id, count(*) AS readers FROM im_message_recv WHERE group_id = ${group} GROUP BY 1 ORDER BY 1`,
    ),
  ])
  assert.deepEqual(
    switches.map(({ by_reading }) => by_reading),
    Array.from({ length: 2 * rounds }, (_, at) => at % 2 === 0),
  )
  const isByReading = (number: number) =>
    switches.findLast(({ from_msg_id }) => Number(from_msg_id) <= number)?.by_reading ?? false
  const expected = (await stored()).filter(({ msg_id }) => !isByReading(msg_id))
  assert.deepEqual(
    rows.map(({ msg_id }) => Number(msg_id)),
    expected.map(({ msg_id }) => msg_id),
  )
})

test('a read in a large group counts anew, and its sender sees who has read and who has received', async () => {
  await guestsCome()
  const [reader, writer] = [await login(writing[0]), await login(writing[1])]
  const msg_id = writer.send(group, 'the last word')
  const { server_msg_id } = await writer.acked(msg_id)
  await reader.received(msg_id)
  reader.put('MSG_READ_ACK', {
    user_id: writing[0],
    session_id: group,
    msg_id,
    session_type,
    server_msg_id: server_msg_id!,
  })
  await until('nothing is unread', async () => (await pulled(writing[0])).unread === 0, recovery_ms)
  const expected = [[writing[0]], guests, [away]]
  await until(
    'the receipts are complete',
    async () => {
      const asked = { user_id: writing[1], msg_id }
      const found = await writer.ask('GET_RECEIPTS_REQ', asked, 'GET_RECEIPTS_RSP')
      const lists = [found.read_user_id, found.received_user_id, found.waiting_user_id]
      return JSON.stringify(lists) === JSON.stringify(expected)
    },
    recovery_ms,
  )
  for (const device of [reader, writer]) device.cut()
})
