/** Topics that somebody made or changed otherwise than the catalogue wants: the setup and the doctor say so. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import { type FreshDatabase, freshDatabase } from '../helpers/database.js'
import { ops } from '../helpers/ops.js'
import { run } from '../helpers/program.js'
import { stack } from '../helpers/stack.js'
import { newPrefix } from '../helpers/system.js'

const main = join(import.meta.dirname, '../../main.js') // from dist/test/e2e
const prefix = newPrefix()
const topic = `${prefix}message.submitted`
const topicResource = 2

let database: FreshDatabase
let admin: Admin

before(async () => {
  database = await freshDatabase()
  admin = new Kafka({ brokers: [stack().kafka], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
})
after(async () => {
  const topics = (await admin.listTopics()).filter((name) => name.startsWith(prefix))
  await admin.deleteTopics({ topics })
  await admin.disconnect()
  await database.drop()
})

async function setUp(env: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; said: string }> {
  const { kafka, redis } = stack()
  const addresses = { KAFKA_BROKERS: kafka, DATABASE_URL: database.url, REDIS_URL: redis }
  const settings = { ...addresses, TOPIC_PREFIX: prefix, TOPIC_PARTITIONS: '2', ...env }
  const started = run([process.execPath, main, '--setup'], { env: settings })
  return { code: await started.ended(), said: started.said() }
}

const doctor = async (): Promise<string> => {
  const { kafka, redis } = stack()
  return (await ops({ kafka, redisUrl: redis, databaseUrl: database.url, prefix }, 'doctor')).said
}

const stamped = { name: 'message.timestamp.type', value: 'LogAppendTime' }

/** All that is set on the topic from then on. */
const configure = (setting: { name: string; value: string }) =>
  admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: topicResource, name: topic, configEntries: [stamped, setting] }],
  })

test('a topic with too few partitions is used, and said', async () => {
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries: [stamped] }] })
  const { code, said } = await setUp()
  assert.equal(code, 0, said)
  assert.match(
    said,
    /message\.submitted has 1 partition, not 2: .*TOPIC_PARTITIONS.*docs\/operate\/kafka\.md/,
  )
  assert.match(await doctor(), /doubtful +topics +\S+message\.submitted has 1 partition, not 2/)
})

test('what is kept too short is said', async () => {
  await configure({ name: 'retention.ms', value: '60000' })
  const { code, said } = await setUp()
  assert.equal(code, 0, said)
  assert.match(said, /message\.submitted keeps records for 60000 ms, not \d+: .*--add-config retention\.ms=/)
  assert.match(await doctor(), /doubtful +topics +\S+message\.submitted keeps records for 60000 ms/)
})

test('a topic that would lose events stops the setup with one message', async () => {
  await configure({ name: 'cleanup.policy', value: 'compact' })
  const { code, said } = await setUp()
  assert.equal(code, 1)
  assert.match(
    said,
    /message\.submitted has cleanup\.policy=compact, which loses events: .*cleanup\.policy=delete/,
  )
  assert.doesNotMatch(said, /^\s+at /m)
  assert.match(await doctor(), /WRONG +topics +\S+message\.submitted has cleanup\.policy=compact/)
})

test('more copies than there are brokers stop the setup with one message', async () => {
  const { code, said } = await setUp({ TOPIC_REPLICATION: '3', TOPIC_PREFIX: `${prefix}three.` })
  assert.equal(code, 1)
  assert.match(said, /cannot be made: .*: TOPIC_REPLICATION can be the number of brokers at most/)
  assert.doesNotMatch(said, /^\s+at /m)
})
