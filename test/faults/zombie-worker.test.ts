/**
 * Two processes with the same workers share the partitions. One is stopped until the other owns all of them, and goes
 * on in the middle of its batch: for a moment two own one partition (promises I2, I4; spec 2, "Single chat" 2).
 */
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { allRoles } from '../../setup.js'
import { type Correspondence, openCorrespondence } from '../helpers/correspondence.js'
import { randomNumbers } from '../helpers/random.js'
import { type System, startSystem } from '../helpers/system.js'

const seed = Number(process.env.FAULTS_SEED ?? 1)
const random = randomNumbers(seed)
/** Longer than a consumer may be silent (8 s) before its partitions are given to others. */
const freeze_ms = 12_000
const recovery_ms = 60_000
const workers = ['message-store', 'delivery', 'ack-tracker', 'delivery-check']

let system: System
let correspondence: Correspondence
before(async () => {
  const others = allRoles.filter((role) => !workers.includes(role))
  const env = {
    RATE_LIMIT_PACKETS: '1000',
    TOPIC_PARTITIONS: '4',
    DELIVERY_CHECK_DELAYS_MS: '3000,6000,12000',
  }
  system = await startSystem({ roles: [others, workers, [...workers].reverse()], env })
  correspondence = await openCorrespondence(system, 10, random)
})
after(async () => {
  await correspondence?.stop()
  await system?.stop()
})

test(`a worker that goes on after its partitions were given away doubles and skips nothing (seed ${seed})`, async () => {
  const twins = [...system.processes.values()].slice(1)
  for (const zombie of [twins[random(2)]!, twins[random(2)]!]) {
    correspondence.write(100)
    await correspondence.progress(100 + random(200), recovery_ms)
    zombie.signal('SIGSTOP')
    await pause(freeze_ms)
    correspondence.write(20)
    zombie.signal('SIGCONT')
    await correspondence.resolved(recovery_ms)
  }
  await correspondence.arrived(recovery_ms)
  await correspondence.judge()
})
