/**
 * The disk of Kafka's log is full: the broker stops by itself. Senders hear SERVER_BUSY, the log and the doctor say what
 * to do, and once there is room and the broker was started again, everything that was acked is delivered.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Correspondence, openCorrespondence } from '../helpers/correspondence.js'
import { noKafkaParts, startCluster, type TestCluster } from '../helpers/kafka-nodes.js'
import { ops } from '../helpers/ops.js'
import { randomNumbers } from '../helpers/random.js'
import { mountSmallDisk, noSmallDisk, type SmallDisk } from '../helpers/small-disk.js'
import { type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

const recovery_ms = 60_000
const skip = noKafkaParts || noSmallDisk()

let disk: SmallDisk
let cluster: TestCluster
let system: System
let correspondence: Correspondence
before(async () => {
  if (skip) return
  disk = mountSmallDisk(256)
  cluster = await startCluster({ settings: { 'log.dirs': disk.folder } })
  system = await startSystem({ kafka: cluster.addresses(), env: { RATE_LIMIT_PACKETS: '1000' } })
  correspondence = await openCorrespondence(system, 4, randomNumbers(1))
})
after(async () => {
  if (skip) return
  await correspondence?.stop()
  // Whatever the system says, no broker stays.
  await system?.stop().finally(async () => {
    await cluster.stop()
    disk.unmount()
  })
})

const logged = (what: string): string[] =>
  system
    .logs()
    .split('\n')
    .filter((line) => line.includes(what))

test("Kafka's disk is full: senders hear SERVER_BUSY, log and doctor say what to do, and nothing acked is lost", {
  skip,
}, async (t) => {
  const [broker] = cluster.nodes
  const { pid } = system.processes.get('all')!
  correspondence.write(10)
  await correspondence.progress(20, recovery_ms)
  const { said: before } = await ops({ ...system, kafka: cluster.addresses() }, 'doctor')
  assert.match(before, /disk +broker [\d.:]+ \(.*\): \d+ MiB of 256 MiB are free/)
  disk.fill()
  const filled = performance.now()
  const [writer, reader] = correspondence.writers
  // Longer messages than there can be room for in what is begun.
  for (let turn = 0; turn < 40; turn++) writer!.send(reader!.user_id, `${turn}`.padEnd(20_000, 'x'))
  correspondence.write(10)
  await until('the broker stops by itself', () => !broker!.isRunning(), recovery_ms)
  await until('a sender hears SERVER_BUSY', () => writer!.busy() > 0, recovery_ms)
  assert.ok(correspondence.waiting() > 0)
  await until('the log says what to do', () => logged('Kafka does not confirm').length > 0, recovery_ms)
  const { code, said } = await ops({ ...system, kafka: cluster.addresses() }, 'doctor')
  assert.equal(code, 1)
  assert.match(said, /WRONG +brokers .*\n.*A broker whose disk is full stops by itself/)
  t.diagnostic(said)

  disk.free()
  await broker!.start()
  await correspondence.resolved(recovery_ms)
  await correspondence.arrived(recovery_ms)
  t.diagnostic(
    `everything acked and delivered ${Math.round(performance.now() - filled)} ms after the disk was full`,
  )
  const told = logged('Kafka does not confirm')
  t.diagnostic(told.join('\n'))
  assert.equal(told.length, 1, told.join('\n'))
  assert.match(told[0]!, /One whose disk is full stops by itself|a disk of Kafka is full/)
  assert.deepEqual(logged('MaxListeners'), [])
  assert.equal(system.processes.get('all')!.pid, pid)
  await correspondence.judge()
})
