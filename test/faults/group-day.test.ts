/**
 * A day in groups on two gateways, one process per role, with kill -9 of one of them at random every few seconds:
 * members make groups, invite, talk, read, leave, remove, disband, are away and come back, some with cim.py over TCP,
 * the others over WebSocket. In the end promises I1 … I4, I6 and I8 hold for groups.
 * FAULTS_SECONDS makes the day longer, FAULTS_SEED another one.
 */
import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { allRoles } from '../../setup.js'
import { createCimLine, hasCim } from '../helpers/cim-member.js'
import { deadLetters } from '../helpers/dead-letters.js'
import { groupViolations } from '../helpers/group-checker.js'
import { pullGroups, readStoredGroups } from '../helpers/group-evidence.js'
import { createGroupMember, createWsLine, type GroupMember } from '../helpers/group-member.js'
import { randomNumbers } from '../helpers/random.js'
import { type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

const seed = Number(process.env.FAULTS_SEED ?? 1)
const day_ms = Number(process.env.FAULTS_SECONDS ?? 20) * 1_000
const random = randomNumbers(seed)
const userIds = Array.from({ length: 8 }, (_, at) => 820_001 + at)
/** Of the members, those who use cim.py. */
const cimUsers = hasCim() ? userIds.slice(-2) : []
const groupsAtOnce = 3
const recovery_ms = 60_000

interface Group {
  owner: number | undefined
  readonly members: Set<number>
}

let system: System
let tokens: readonly string[]
let members: readonly GroupMember[]
/** As far as those know who have changed them. */
const groups = new Map<number, Group>()

before(async () => {
  system = await startSystem({
    roles: allRoles.map((role) => [role]),
    gateways: 2,
    env: {
      RATE_LIMIT_PACKETS: '1000',
      DATABASE_POOL: '2',
      DELIVERY_CHECK_DELAYS_MS: '3000,6000,12000',
      ACK_FLUSH_CRON: '*/2 * * * * *',
    },
  })
  tokens = await system.api.registerAll(userIds)
  const [tcp, http] = [system.gateways.map((each) => each.tcp), system.gateways.map((each) => each.http)]
  members = userIds.map((user_id, at) => {
    const [token, turned] = [tokens[at]!, at % 2]
    const turn = (ports: readonly number[]) => [...ports.slice(turned), ...ports.slice(0, turned)]
    const line = cimUsers.includes(user_id)
      ? createCimLine({ user_id, token, ports: turn(tcp) })
      : createWsLine({ user_id, token, ports: turn(http) })
    return createGroupMember(line)
  })
  await until('all are online', () => members.every((member) => member.isOnline()), recovery_ms)
})
after(async () => {
  await Promise.all((members ?? []).map((member) => member.stop()))
  await system?.stop()
})

const oneOf = <Item>(items: readonly Item[]): Item | undefined => items[random(items.length)]
const groupsOf = (user_id: number) => [...groups].filter(([, group]) => group.members.has(user_id))

async function make(member: GroupMember): Promise<void> {
  const others = userIds.filter((user_id) => user_id !== member.user_id && random(3) > 0)
  const group_id = await member.create(others)
  groups.set(group_id, { owner: member.user_id, members: new Set([member.user_id, ...others]) })
}

function talk(member: GroupMember, group_id: number): void {
  for (let left = 1 + random(4); left > 0; left--)
    member.send(group_id, `${member.user_id} says ${random(2 ** 31)}`)
}

async function invite(member: GroupMember, group_id: number, group: Group): Promise<void> {
  const guest = oneOf(userIds.filter((user_id) => !group.members.has(user_id)))
  if (guest !== undefined && (await member.change('invite', group_id, [guest]))) group.members.add(guest)
}

async function kick(member: GroupMember, group_id: number, group: Group): Promise<void> {
  const victim = oneOf([...group.members].filter((user_id) => user_id !== member.user_id))
  if (group.owner === member.user_id && victim !== undefined)
    if (await member.change('kick', group_id, [victim])) group.members.delete(victim)
}

async function leave(member: GroupMember, group_id: number, group: Group): Promise<void> {
  if (!(await member.change('exit', group_id))) return
  group.members.delete(member.user_id)
  if (group.owner === member.user_id) group.owner = undefined
}

async function disband(member: GroupMember, group_id: number, group: Group): Promise<void> {
  if (group.owner !== member.user_id) return
  if (await member.change('disband', group_id)) groups.delete(group_id)
}

async function beAway(member: GroupMember): Promise<void> {
  member.away()
  await pause(500 + random(2_500))
  member.back()
  await member.catchUp()
}

/** What somebody does next. */
async function act(member: GroupMember): Promise<void> {
  const chosen = oneOf(groupsOf(member.user_id))
  if (groups.size < groupsAtOnce || chosen === undefined) return make(member)
  const [group_id, group] = chosen
  const dice = random(100)
  if (dice < 60) return talk(member, group_id)
  if (dice < 72) return member.read(group_id)
  if (dice < 80) return invite(member, group_id, group)
  if (dice < 86) return kick(member, group_id, group)
  if (dice < 91) return leave(member, group_id, group)
  if (dice < 94) return disband(member, group_id, group)
  return beAway(member)
}

/** One process after the other dies, and is started again, as its supervisor would do. */
async function killOnAndOn(isOver: () => boolean, t: TestContext): Promise<number> {
  const back: Promise<void>[] = []
  for (;;) {
    await pause(2_500 + random(2_000))
    if (isOver()) break
    const victim = oneOf([...system.processes.values()].filter((each) => each.isRunning()))
    if (victim === undefined) continue
    t.diagnostic(`killed: ${victim.name}`)
    await victim.kill('SIGKILL')
    back.push(victim.restart())
  }
  await Promise.all(back)
  return back.length
}

async function violations(): Promise<string[]> {
  await Promise.all(members.map((member) => member.catchUp()))
  const users = userIds.map((user_id, at) => ({ user_id, token: tokens[at]! }))
  const pulled = await pullGroups(system.tcp, users)
  return groupViolations({
    ...pulled,
    journals: members.flatMap(({ journals }) => journals),
    deeds: members.flatMap(({ deeds }) => deeds),
    followed: members.map(({ followed }) => followed),
    stored: await readStoredGroups(system.databaseUrl),
  })
}

test(`a day in groups, with one process killed after the other, breaks no promise (seed ${seed})`, async (t) => {
  const end = performance.now() + day_ms
  const isOver = () => performance.now() > end
  const kills = killOnAndOn(isOver, t)
  await Promise.all(
    members.map(async (member) => {
      for (; !isOver(); await pause(200 + random(400))) await act(member)
    }),
  )
  const killed = await kills
  assert.ok(killed >= 3, `only ${killed} were killed`)
  const waiting = () => members.filter((member) => member.waiting() > 0).map(({ user_id }) => user_id)
  await until(
    () => `all is acked or refused; not of ${waiting()}`,
    () => waiting().length === 0,
    recovery_ms,
  )

  let broken: string[] = []
  const allKept = async () => {
    broken = await violations()
    return broken.length === 0 || void (await pause(1_000))
  }
  await until(() => broken.slice(0, 20).join('\n'), allKept, recovery_ms)
  for (const { user_id, journals } of members) {
    const kinds = new Set(journals.flatMap(({ entries }) => entries.map(({ kind }) => kind)))
    assert.deepEqual([...kinds].sort(), ['acked', 'received', 'sent'], `what ${user_id} has seen`)
  }
  const { messages } = await readStoredGroups(system.databaseUrl)
  t.diagnostic(`${messages.length} messages in ${groups.size} groups and more, ${killed} kills`)
  assert.deepEqual(await deadLetters(system), [])
})
