/**
 * A gateway that was stopped for longer than its lease is a zombie: it writes nothing to anyone until it has
 * registered its devices again, and never again where a newer start took its id (promise I9). With the default lease.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { CIM } from '../../proto/index.js'
import { type AnyTopic, fullName, topics } from '../../schemas/topics.js'
import { allRoles } from '../../setup.js'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import { openPartLink, type PartLink } from '../helpers/part-link.js'
import { pullAll } from '../helpers/pull.js'
import { rowsOf } from '../helpers/rows.js'
import { stack } from '../helpers/stack.js'
import { type RunningGateway, type System, startSystem } from '../helpers/system.js'
import { until } from '../helpers/until.js'

const { kCIM_RES_CODE_OK: ok, kCIM_RES_CODE_SERVER_BUSY: busy } = CIM.Def.CIMResCode
const freeze_ms = 20_000
const lease_ms = 12_000
/** Long enough for whatever a zombie would do at once. */
const watched_ms = 3_000
const recovery_ms = 30_000

let redis: PartLink
let system: System
let crowd: Crowd
let first: RunningGateway
let second: RunningGateway
before(async () => {
  redis = await openPartLink(Number(new URL(stack().redis).port))
  const workers = allRoles.filter((role) => role !== 'gateway')
  system = await startSystem({ roles: [['gateway'], ['gateway'], workers], redis: redis.address })
  ;[first, second] = system.gateways as [RunningGateway, RunningGateway]
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await redis?.heal()
  await system?.stop()
  await redis?.close()
})

/** How many records were ever published to these topics. */
async function published(...of: AnyTopic[]): Promise<number> {
  const kafka = new Kafka({ brokers: [system.kafka], logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  const ends = await Promise.all(of.map((each) => admin.fetchTopicOffsets(fullName(system.prefix, each))))
  await admin.disconnect()
  return ends.flat().reduce((sum, { high }) => sum + Number(high), 0)
}

const isStored = async (from: number, msg_id: string): Promise<boolean> => {
  const text = 'SELECT FROM im_message_send WHERE from_id = $1 AND client_msg_id = $2'
  return (await rowsOf(system.databaseUrl, text, [from, msg_id])).length > 0
}

const devicesOf = async (user_id: number): Promise<unknown[]> =>
  (await second.api.get(`/v1/users/${user_id}/devices`)).body.devices

test('a gateway that was frozen for 20 s delivers, acks and marks nothing until it has registered again', async (t) => {
  t.after(() => redis.heal())
  const { ada, bo, adas, bos } = await crowd.pair({ gateway: second }, { gateway: first })
  bos.acking = false
  const before = adas.send(bo.user_id, 'before')
  const unacked = await bos.received(before)
  assert.equal((await devicesOf(bo.user_id)).length, 1)

  first.process.signal('SIGSTOP')
  const stopped = performance.now()
  // What both sides say meanwhile waits for the zombie: in its topic, and in its sockets.
  const meanwhile = adas.send(bo.user_id, 'meanwhile')
  assert.equal((await adas.acked(meanwhile)).res_code, ok)
  const own = bos.send(ada.user_id, 'from a frozen gateway')
  bos.ack(unacked)
  await until('offline', async () => (await devicesOf(bo.user_id)).length === 0, recovery_ms)
  await pause(Math.max(0, freeze_ms - (performance.now() - stopped)))

  const forwarded = await published(topics.messageSubmitted, topics.deliveryAcked)
  await redis.fail('frozen')
  first.process.signal('SIGCONT')
  const continued = performance.now()
  assert.equal((await bos.acked(own)).res_code, busy)
  await bos.settle()
  await pause(Math.max(0, watched_ms - (performance.now() - continued)))
  const told = bos.journal.filter(({ at_ms, kind }) => kind !== 'sent' && at_ms > stopped)
  assert.deepEqual(
    told.map(({ kind, msg_id, res_code }) => [kind, msg_id, res_code]),
    [['acked', own, busy]],
  )
  assert.equal(await published(topics.messageSubmitted, topics.deliveryAcked), forwarded)
  assert.equal(await isStored(bo.user_id, own), false)

  await redis.heal()
  bos.acking = true
  await bos.received(meanwhile, recovery_ms)
  await until('online', async () => (await devicesOf(bo.user_id)).length === 1, recovery_ms)
  bos.send(ada.user_id, 'from a frozen gateway', { msg_id: own })
  assert.equal((await bos.acked(own)).res_code, ok)
  const afterwards = adas.send(bo.user_id, 'afterwards')
  assert.equal((await bos.received(afterwards)).server_msg_id, 4)
})

test('a frozen gateway whose id a newer start took closes all its devices and never writes to them', async () => {
  const { ada, bo, adas, bos } = await crowd.pair({ gateway: second }, { gateway: first })
  assert.equal((await bos.received(adas.send(bo.user_id, 'before'))).server_msg_id, 1)
  await bos.settle()

  first.process.signal('SIGSTOP')
  const stopped = performance.now()
  const meanwhile = adas.send(bo.user_id, 'meanwhile')
  assert.equal((await adas.acked(meanwhile)).res_code, ok)
  const own = bos.send(ada.user_id, 'from a zombie')
  const heir = await system.successor(first)
  await pause(Math.max(0, lease_ms + 1_000 - (performance.now() - stopped)))

  first.process.signal('SIGCONT')
  await bos.closed(recovery_ms)
  await until('the end of the zombie', () => !first.process.isRunning(), recovery_ms)
  const told = bos.journal.filter(
    ({ at_ms, kind, res_code }) => kind !== 'sent' && at_ms > stopped && res_code !== busy,
  )
  assert.deepEqual(told, [])
  assert.equal(await isStored(bo.user_id, own), false)

  const again = await crowd.online(bo, { gateway: heir })
  const [session] = await pullAll(again, bo.user_id)
  assert.deepEqual(session?.messages.map(({ client_msg_id }) => client_msg_id).at(-1), meanwhile)
  assert.equal((await again.received(adas.send(bo.user_id, 'afterwards'))).server_msg_id, 3)
})
