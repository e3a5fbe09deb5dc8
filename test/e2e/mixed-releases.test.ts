/** A rolling upgrade on the bus: events of a newer release, and of an older one, go their whole way through this one. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { pairConversation } from '../../schemas/ids.js'
import { fullName, topics } from '../../schemas/topics.js'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import { deadLetters } from '../helpers/dead-letters.js'
import {
  eventTypes,
  fromTheFuture,
  messagesNow,
  messagesOfNewerRelease,
  sampleOf,
} from '../helpers/newer-release.js'
import { openOperation } from '../helpers/ops.js'
import { type System, startSystem } from '../helpers/system.js'

let system: System
let crowd: Crowd
before(async () => {
  system = await startSystem()
  crowd = createCrowd(system)
})
after(async () => {
  crowd?.leave()
  await system?.stop()
})

/** A message as a gateway of another release writes it on the bus. */
function submitted(root: ReturnType<typeof messagesNow>, from: number, to: number, msg_id: string): Buffer {
  const type = eventTypes(root).find(({ name }) => name === 'MessageSubmitted')!
  const isNewer = root.lookupType('coffeechat.event.Origin').fields.from_the_future !== undefined
  const sample = sampleOf(type, ({ name }) => isNewer && name === 'from_the_future') as {
    origin: object
    message: object
  }
  const message = {
    ...sample.message,
    ...{ from_user_id: from, to_session_id: to, msg_id, msg_type: 1, session_type: 1 },
    msg_data: Buffer.from('from another release'),
    create_time: Math.floor(Date.now() / 1_000),
  }
  const device = { client_type: 2 }
  const origin = {
    ...sample.origin,
    gate_id: 'gate-1',
    gate_epoch: 1,
    user_id: from,
    login_number: 1,
    device,
  }
  const event = { ...sample, origin, message, received_time: Date.now() }
  return Buffer.from(type.encode(type.fromObject(event)).finish())
}

async function publish(key: string, value: Buffer): Promise<void> {
  const producer = new Kafka({ brokers: [system.kafka], logLevel: logLevel.NOTHING }).producer()
  await producer.connect()
  await producer.send({ topic: fullName(system.prefix, topics.messageSubmitted), messages: [{ key, value }] })
  await producer.disconnect()
}

/** All that lies on a topic. */
async function valuesOf(topic: string): Promise<string> {
  const { bus } = await openOperation(system)
  let text = ''
  for (const { partition, low, high } of await bus.ends(topic))
    for await (const records of bus.read(topic, { partition, from: low, to: high }))
      text += records.map(({ value }) => value.toString('latin1')).join('\n')
  await bus.close()
  return text
}

for (const [release, root] of [
  ['a newer', messagesOfNewerRelease()],
  ['an older', messagesNow()],
] as const)
  test(`a message that a gateway of ${release} release has put on the bus is stored and delivered`, async () => {
    const { ada, bo, bos } = await crowd.pair()
    const msg_id = randomUUID()
    const value = submitted(root, ada.user_id, bo.user_id, msg_id)
    assert.equal(value.includes(fromTheFuture), release === 'a newer')
    await publish(pairConversation(ada.user_id, bo.user_id), value)
    const received = await bos.received(msg_id)
    assert.equal(Buffer.from(received.msg_data).toString(), 'from another release')
    assert.equal(received.server_msg_id, 1)
    bos.ack(received)
    assert.deepEqual(await deadLetters(system), [])
  })

test('what only the newer release knows of a message’s origin is still in the request to deliver it', async () => {
  const passedOn = await valuesOf(fullName(system.prefix, topics.deliveryRequested))
  assert.ok(passedOn.includes(fromTheFuture))
})
