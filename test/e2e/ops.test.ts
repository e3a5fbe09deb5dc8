/** The operator's commands on a real system: poison is found, looked at, sent again or given up; a group reads again. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import type { Operation } from '../../ops/consumer-groups.js'
import { waiting } from '../../ops/dead-letters.js'
import { lagOf } from '../../ops/topic-lag.js'
import { CIM } from '../../proto/index.js'
import { fullName, topics } from '../../schemas/topics.js'
import { type Crowd, createCrowd, type User } from '../helpers/crowd.js'
import { openOperation, ops } from '../helpers/ops.js'
import { rowsOf } from '../helpers/rows.js'
import { type System, startSystem } from '../helpers/system.js'
import { conditionHolds } from '../helpers/wait.js'

const dead = 'message.submitted.message-store'
const said = 'nobody but Bo reads this'

let system: System
let crowd: Crowd
let ada: User
let bo: User
/** For what is only waited for, without a process for each look. */
let operation: Operation

before(async () => {
  system = await startSystem({
    env: {
      DELIVERY_CHECK_DELAYS_MS: '300,300,300',
      ACK_FLUSH_CRON: '*/1 * * * * *',
      MESSAGE_ACK_TIMEOUT_MS: '3000',
      HEARTBEAT_TIMEOUT_MS: '600000', // devices say nothing while commands run, on a slow machine for long
    },
  })
  crowd = createCrowd(system)
  ada = await crowd.newUser()
  bo = await crowd.newUser()
  operation = await openOperation(system)
})
after(async () => {
  if (crowd) crowd.leave()
  await operation?.bus.close()
  await system?.stop()
})

async function json<T>(words: string): Promise<T> {
  const { code, said } = await ops(system, `${words} --json`)
  assert.equal(code, 0, said)
  return JSON.parse(said) as T
}

interface Letters {
  readonly dead_letters: readonly { readonly offset: string; readonly reason: string }[]
}

const lettersThere = (count: number) =>
  conditionHolds(`${count} dead letters`, async () => {
    const letters = await waiting(operation, `${system.prefix}${dead}.dlq`)
    return letters.length === count
  })

const stored = async (msg_id: string) =>
  (await rowsOf(system.databaseUrl, 'SELECT FROM im_message_send WHERE client_msg_id = $1', [msg_id])).length

async function plant(topic: string, ...values: string[]): Promise<void> {
  const producer = new Kafka({ brokers: [system.kafka], logLevel: logLevel.NOTHING }).producer()
  await producer.connect()
  await producer.send({ topic, messages: values.map((value) => ({ key: 'k', value })) })
  await producer.disconnect()
}

test('an event that the database refuses is listed, shown without its text, and sent again once that is mended', async () => {
  await rowsOf(
    system.databaseUrl,
    `ALTER TABLE im_message_send ADD CONSTRAINT poison CHECK (client_msg_id <> 'poison')`,
  )
  const writer = await crowd.online(ada)
  const answer = await writer.acked(writer.send(bo.user_id, said, { msg_id: 'poison' }))
  assert.equal(answer.res_code, CIM.Def.CIMResCode.kCIM_RES_CODE_SERVER_BUSY)
  await writer.say(bo.user_id, 'its partition moves on')
  await lettersThere(1)

  const shown = await ops(system, `dlq show ${dead}`)
  assert.match(shown.said, /reason .*poison/)
  assert.match(shown.said, /"msg_id": "poison"/)
  assert.doesNotMatch(shown.said, /nobody but Bo/)
  assert.doesNotMatch(shown.said, new RegExp(Buffer.from(said).toString('base64')))
  const bare = await ops(system, `dlq show ${dead} --bodies`)
  assert.match(bare.said, new RegExp(Buffer.from(said).toString('base64')))

  await rowsOf(system.databaseUrl, 'ALTER TABLE im_message_send DROP CONSTRAINT poison')
  const resent = await ops(system, `dlq resend ${dead}`)
  assert.match(resent.said, /resent 1 dead letter of .* to message-store, and to no other group/)
  await conditionHolds('the message is stored', async () => (await stored('poison')) === 1)
  await lettersThere(0)
  assert.match((await ops(system, `dlq list ${dead}`)).said, /no dead letters/)
})

test('one that is sent again before it is mended is a dead letter again', async () => {
  await plant(fullName(system.prefix, topics.messageSubmitted), 'no event')
  await lettersThere(1)
  await ops(system, `dlq resend ${dead}`)
  await lettersThere(1)
  await ops(system, `dlq drop ${dead} --all`)
  await lettersThere(0)
})

test('dead letters are given up one by one or all; what is settled is deleted from the topic', async () => {
  await plant(fullName(system.prefix, topics.messageSubmitted), 'one', 'two', 'three')
  await lettersThere(3)
  const { dead_letters } = await json<Letters>(`dlq list ${dead}`)
  const offsets = dead_letters.map(({ offset }) => offset)
  assert.equal((await ops(system, `dlq drop ${dead} --offset ${offsets[1]}`)).code, 0)
  const left = await json<Letters>(`dlq list ${dead}`)
  assert.deepEqual(
    left.dead_letters.map(({ offset }) => offset),
    [offsets[0], offsets[2]],
  )
  const again = await ops(system, `dlq drop ${dead} --offset ${offsets[1]}`)
  assert.equal(again.code, 1)
  assert.match(again.said, /no dead letter \d+ that is left to do/)

  await ops(system, `dlq drop ${dead} --all`)
  const admin = new Kafka({ brokers: [system.kafka], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  const [ends] = await admin.fetchTopicOffsets(`${system.prefix}${dead}.dlq`)
  await admin.disconnect()
  assert.equal(ends!.low, ends!.high)
})

test('a topic with no dead letters of that name is refused with those that there are', async () => {
  const { code, said } = await ops(system, 'dlq list nothing')
  assert.equal(code, 1)
  assert.match(
    said,
    /nothing is no dead-letter topic. There are:\n {2}message\.submitted\.message-store\.dlq/,
  )
})

test('topics says for each group how far behind it is, how old, and how many dead letters it has', async () => {
  const rows =
    await json<{ topic: string; group: string; members: number; lag: number; dead_letters: number }[]>(
      'topics',
    )
  const store = rows.find(({ group }) => group === `${system.prefix}message-store`)
  assert.deepEqual(
    { members: store?.members, dead_letters: store?.dead_letters },
    { members: 1, dead_letters: 0 },
  )
  assert.ok(rows.some(({ topic }) => topic === `${system.prefix}gate.gate-1.outbound`))
  assert.match((await ops(system, 'topics')).said, /^TOPIC +GROUP +MEMBERS +LAG +AGE +DEAD LETTERS\n/)
})

interface Replayed {
  readonly events: number
  readonly would_deliver: number
  readonly would_skip: number
}

test('a replay says how much it would deliver, then delivers that and nothing that was acked', async () => {
  const dee = await crowd.newUser()
  const { adas: writer, bos: reader, bo: cy } = await crowd.pair()
  const acked = writer.send(cy.user_id, 'acked')
  await reader.received(acked)
  const late = await crowd.stranger()
  late.acking = false
  await late.login(dee.user_id, dee.token)
  const unacked = writer.send(dee.user_id, 'not acked')
  await late.received(unacked)

  const dry = () => json<Replayed>('replay delivery --from 10m --dry-run')
  await conditionHolds('only what is not acked would come again', async () => {
    const { would_deliver, would_skip } = await dry()
    return would_deliver === 1 && would_skip === 1
  })
  // Later checks are only of readers who were away at the first, as that of the first test is for more than a minute.
  const firstChecks = `${system.prefix}delivery-check-5s`
  const areChecked = async () =>
    (await lagOf(operation)).some(({ group, lag }) => group === firstChecks && lag === 0)
  await conditionHolds('the checks are over', areChecked)
  assert.match((await ops(system, 'replay delivery --from 10m --dry-run')).said, /Nothing was done/)

  const [acks, copies] = [reader.journal.length, late.journal.length]
  const replayed = await ops(system, 'replay delivery --from 10m')
  assert.match(
    replayed.said,
    /has handled \d+ events? of [\s\S]*It would deliver 1 copy[\s\S]*reads again from/,
  )
  await conditionHolds('it came again', () => late.journal.length > copies)
  assert.equal(reader.journal.length, acks, 'what was acked does not come again')
  await writer.say(cy.user_id, 'after the replay')
})

test('a group that is not there is refused with those that there are', async () => {
  const { code, said } = await ops(system, 'replay deliveries --from 1h')
  assert.equal(code, 1)
  assert.match(said, /There is no group deliveries. There are: .*delivery,/)
})

test('the doctor finds nothing wrong with a system that serves', async () => {
  const { code, said } = await ops(system, 'doctor')
  assert.equal(code, 0, said)
  assert.match(said, /ok +brokers .*written and read back/)
  assert.match(said, /ok +clock +the clock of Redis/)
  assert.match(said, /Nothing is wrong/)
})

test('the doctor names what is away, what is missing and what is ignored, each by itself', async () => {
  const { code, said } = await ops(system, 'doctor', {
    REDIS_URL: 'redis://127.0.0.1:1',
    TOPIC_PREFIX: `${system.prefix}other.`,
    TOPIC_PREFX: 'im.',
    PUSH_WEBHOOK_URL: 'http://127.0.0.1:1/',
  })
  assert.equal(code, 1, said)
  assert.match(said, /WRONG +redis +.*ECONNREFUSED/)
  assert.match(said, /WRONG +topics +missing: /)
  assert.match(said, /WRONG +providers +PUSH_WEBHOOK_URL: nothing answers at 127.0.0.1:1 \(ECONNREFUSED\)/)
  assert.match(said, /doubtful +config +TOPIC_PREFX is set and ignored/)
  assert.match(said, /ok +database/)
})

test('a setting that is wrong is what the doctor says', async () => {
  const { code, said } = await ops(system, 'doctor', { TOPIC_PARTITIONS: 'many' })
  assert.equal(code, 1)
  assert.match(said, /WRONG +config +TOPIC_PARTITIONS=many/)
})

test('brokers that are away are named, and nothing waits for long', async () => {
  const { code, said } = await ops(system, 'topics', { KAFKA_BROKERS: '127.0.0.1:1' })
  assert.equal(code, 1)
  assert.match(said, /topics failed: no broker answers \(127.0.0.1:1: /)
})

test('addresses come from local.json where the environment has none, and are asked for where that is missing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-ops-'))
  const nothing = { KAFKA_BROKERS: '', DATABASE_URL: '', REDIS_URL: '', DATA_DIR: folder }
  const refused = await ops(system, 'topics', nothing)
  assert.equal(refused.code, 1)
  assert.match(refused.said, /KAFKA_BROKERS, DATABASE_URL, REDIS_URL: not set, and .*local.json is not there/)
  const { kafka, databaseUrl: postgres, redisUrl: redis } = system
  writeFileSync(join(folder, 'local.json'), JSON.stringify({ kafka, postgres, redis }))
  assert.equal((await ops(system, 'topics', nothing)).code, 0)
  rmSync(folder, { recursive: true })
})

test('a command that is not understood ends with 2', async () => {
  const { code, said } = await ops(system, 'dlq purge')
  assert.equal(code, 2)
  assert.match(said, /one of list, show, resend, drop, not purge/)
})
