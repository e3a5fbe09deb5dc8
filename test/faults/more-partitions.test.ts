/** Partitions are added as docs/operate/kafka.md says: between a stop and a start, with nothing left to do. */
import { after, before, test } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { type Correspondence, openCorrespondence } from '../helpers/correspondence.js'
import { openOperation } from '../helpers/ops.js'
import { randomNumbers } from '../helpers/random.js'
import { type System, startSystem } from '../helpers/system.js'

const seed = Number(process.env.FAULTS_SEED ?? 1)
const [few, more] = [2, 5]
const recovery_ms = 60_000

let system: System
let correspondence: Correspondence
before(async () => {
  system = await startSystem({ env: { TOPIC_PARTITIONS: String(few), RATE_LIMIT_PACKETS: '1000' } })
  correspondence = await openCorrespondence(system, 8, randomNumbers(seed))
})
after(async () => {
  await correspondence?.stop()
  await system?.stop()
})

async function addPartitions(): Promise<void> {
  const { bus } = await openOperation(system)
  const names = (await bus.topicNames()).filter((name) => name.startsWith(system.prefix))
  const busy = [...(await bus.layouts(names))].filter(([, { partitions }]) => partitions === few)
  await bus.close()
  const admin = new Kafka({ brokers: [system.kafka], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.createPartitions({ topicPartitions: busy.map(([topic]) => ({ topic, count: more })) })
  await admin.disconnect()
}

test('after a stop partitions may be added: everybody logs in again, nothing is lost, order is kept', async () => {
  correspondence.write(20)
  await correspondence.resolved(recovery_ms)
  await correspondence.arrived(recovery_ms)

  const all = system.processes.get('all')!
  await all.kill('SIGTERM')
  await addPartitions()
  await all.restart()
  correspondence.write(20)
  await correspondence.resolved(recovery_ms)
  await correspondence.arrived(recovery_ms)
  await correspondence.judge()
})
