/** Businesses that want protobuf get it on every topic (TOPICS_IN_PROTOBUF), and what reads them inside goes on. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import protobuf from 'protobufjs'
import { type AnyTopic, fullName, topics } from '../../schemas/topics.js'
import { type Crowd, createCrowd } from '../helpers/crowd.js'
import { type Hook, startHook } from '../helpers/hook.js'
import { run } from '../helpers/program.js'
import { type System, startSystem } from '../helpers/system.js'
import { type RecordReader, readRecords } from '../helpers/topic.js'
import { conditionHolds } from '../helpers/wait.js'

const root = join(import.meta.dirname, '../../..') // from dist/test/e2e
/** As a business reads it: with the schema and no code of ours. */
let schema: protobuf.Root
let hook: Hook
let system: System
let crowd: Crowd
const readers: RecordReader[] = []

before(async () => {
  hook = await startHook()
  system = await startSystem({
    env: { TOPICS_IN_PROTOBUF: '*', WEBHOOK_EVENTS_URL: hook.url, WEBHOOK_EVENTS_SECRET: hook.secret },
  })
  crowd = createCrowd(system)
  const { status, body: text } = await system.api.get('/business.proto', { token: '' })
  assert.equal(status, 200)
  schema = protobuf.parse(text, { keepCase: true }).root
})
after(async () => {
  crowd?.leave()
  await Promise.all(readers.map((reader) => reader.close()))
  await system?.stop()
  hook?.close()
})

type Fields = Readonly<Record<string, unknown>>

/** What a consumer with the schema reads of a topic. */
async function consumer(topic: AnyTopic): Promise<() => readonly Fields[]> {
  const reader = await readRecords(system, fullName(system.prefix, topic))
  readers.push(reader)
  const type = schema.lookupType(`coffeechat.business.${topic.payload.replace(/Json$/, '')}`)
  return () =>
    reader.records.map(({ value, headers }) => {
      assert.equal(headers['content-type'], 'application/x-protobuf')
      return type.toObject(type.decode(value), { longs: String, bytes: String })
    })
}

/** The first record that has these fields. */
async function comes(read: () => readonly Fields[], wanted: Fields): Promise<Fields> {
  const fits = (each: Fields) => Object.entries(wanted).every(([name, value]) => each[name] === value)
  await conditionHolds(JSON.stringify(wanted), () => read().some(fits))
  return read().find(fits)!
}

test('messages, receipts, presence, contacts, reports and results are protobuf, and webhooks hear of them all the same', async () => {
  const [messages, receipts, presence, contacts, reports, results] = await Promise.all(
    [
      topics.messageStored,
      topics.receiptChanged,
      topics.presenceChanged,
      topics.contactChanged,
      topics.reportSubmitted,
      topics.pushResult,
    ].map((topic) => consumer(topic)),
  )
  const { ada, bo, adas, bos } = await crowd.pair()
  const [a, b] = [String(ada.user_id), String(bo.user_id)]
  const conversation = `c:${a}:${b}`
  const msg_id = adas.send(bo.user_id, 'grüße 👋')
  await bos.received(msg_id)
  bos.put('MSG_READ_ACK', { user_id: bo.user_id, session_type: 1, session_id: ada.user_id, msg_id })
  await system.api.call('PUT', `/v1/users/${a}/blocklist/${b}`)
  const report = {
    report_id: randomUUID(),
    report_type: 'rating',
    payload: Buffer.from([0, 255]).toString('base64'),
  }
  assert.equal((await system.api.post(`/v1/users/${a}/reports`, report)).status, 201)
  const push = { push_id: randomUUID(), push_type: 'p', to: { user_ids: [b, '7'] }, text: 'paid' }
  assert.equal((await system.api.post('/v1/pushes', push)).status, 201)

  const stored = await comes(messages!, { conversation, msg_id })
  assert.deepEqual([stored.server_msg_id, stored.from_user_id, stored.to_session_id], ['1', a, b])
  assert.equal(Buffer.from(String(stored.data), 'base64').toString(), 'grüße 👋')
  await comes(receipts!, { conversation, reader_user_id: b, server_msg_id: '1', state: 'read' })
  await comes(presence!, { user_id: b, state: 'online', gate_id: system.gateways[0]!.gate_id })
  await comes(contacts!, { user_id: a, peer_id: b, blocked: true })
  await comes(reports!, { ...report, user_id: a })
  await comes(results!, { push_id: push.push_id, user_id: b, outcome: 'sent' })
  await comes(results!, { push_id: push.push_id, user_id: '7', outcome: 'rejected' })

  const told = (event: string) => hook.told.some(({ body }) => body.event === event)
  for (const event of ['message.stored', 'receipt.changed', 'presence.changed', 'contact.changed'])
    await conditionHolds(`a webhook is told of ${event}`, () => told(event))
  const { body } = hook.told.find((each) => each.body.event === 'message.stored')!
  assert.deepEqual([body.data.conversation, body.data.server_msg_id], [conversation, '1'])
})

test('the example reads it by the schema of a gateway', async (t) => {
  const { ada, bo, adas } = await crowd.pair()
  await adas.say(bo.user_id, 'in protobuf')
  const program = run([process.execPath, 'dist/docs/examples/messages.js', 'proto/business.proto'], {
    cwd: root,
    env: { KAFKA_BROKERS: system.kafka, TOPIC_PREFIX: system.prefix },
  })
  t.after(() => program.end('SIGKILL'))
  await program.says(new RegExp(`^c:${ada.user_id}:${bo.user_id} 1 ${ada.user_id} in protobuf$`, 'm'), 60_000)
})
