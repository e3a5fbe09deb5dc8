/** kill -9 on our own processes: one after the other, then all at once. One process per role. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { allRoles } from '../../setup.js'
import { type Correspondence, openCorrespondence } from '../helpers/correspondence.js'
import { randomNumbers } from '../helpers/random.js'
import { type System, startSystem } from '../helpers/system.js'

const seed = Number(process.env.FAULTS_SEED ?? 1)
const random = randomNumbers(seed)
const writers = 20
const recovery_ms = 60_000
/** Killed for every seed; others are chosen by it. */
const busiest = ['gateway', 'message-store', 'delivery']

let system: System
let correspondence: Correspondence
before(async () => {
  const env = {
    RATE_LIMIT_PACKETS: '1000',
    DATABASE_POOL: '2',
    DELIVERY_CHECK_DELAYS_MS: '3000,6000,12000',
  }
  system = await startSystem({ roles: allRoles.map((role) => [role]), env })
  correspondence = await openCorrespondence(system, writers, random)
})
after(async () => {
  await correspondence?.stop()
  await system?.stop()
})

test(`kill -9 of one role after the other loses and doubles nothing (seed ${seed})`, async (t) => {
  const others = allRoles.filter((role) => !busiest.includes(role))
  const names = [...busiest]
  for (let more = 0; more < 3; more++) names.push(...others.splice(random(others.length), 1))
  const back: Promise<void>[] = []
  correspondence.write(60)
  while (names.length > 0) {
    const [name] = names.splice(random(names.length), 1)
    const victim = system.processes.get(name!)!
    t.diagnostic(`killed: ${name}, at ${correspondence.acked()} acks`)
    await victim.kill('SIGKILL')
    back.push(victim.restart())
    await correspondence.progress(Math.min(100, correspondence.waiting()), recovery_ms)
  }
  await Promise.all(back)
  await correspondence.resolved(recovery_ms)
  await correspondence.arrived(recovery_ms)
  await correspondence.judge()
})

test(`kill -9 of every process amid 2,000 sends loses, doubles and blocks nothing (seed ${seed})`, async () => {
  correspondence.write(2_000 / writers)
  await correspondence.progress(600 + random(400), recovery_ms)

  const processes = [...system.processes.values()]
  await Promise.all(processes.map((each) => each.kill('SIGKILL')))
  assert.ok(correspondence.waiting() > 0, 'it was not in the middle')
  // Nobody asks again for what these writers had sent last.
  const abandoned = correspondence.writers.map((writer) => writer.abandon(() => random(3) === 0))
  assert.ok(abandoned.some((count) => count > 0))
  await Promise.all(processes.map((each) => each.restart()))
  await correspondence.resolved(recovery_ms)
  await correspondence.arrived(recovery_ms)
  await correspondence.judge()
})
