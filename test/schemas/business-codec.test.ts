/** What businesses read says the same in JSON and in protobuf, and a record says which it is. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import protobuf from 'protobufjs'
import { externalTopics, payloadSchema } from '../../schemas/asyncapi.js'
import type { ReportSubmittedJson } from '../../schemas/business-events.js'
import { type ConfigError, readConfig } from '../../schemas/config.js'
import { recordStyle } from '../../schemas/topic-settings.js'
import { recordOf, topics } from '../../schemas/topics.js'

/** As businesses read it: not by code of ours. */
const schema = new protobuf.Root().loadSync(
  join(import.meta.dirname, '../../../proto/business.proto'), // from dist/test/schemas
  { keepCase: true },
)
const messageOf = ({ payload }: { readonly payload: string }) =>
  schema.lookupType(`coffeechat.business.${payload.replace(/Json$/, '')}`)

const read = externalTopics.filter(({ external }) => external === 'read')
const everything = { prefix: 'im.', inProtobuf: new Set(read.map(({ name }) => name)) }

for (const topic of read) {
  const { name, contract } = topic
  test(`${name}: the fields in JSON and in protobuf are the same`, () => {
    const { fields } = messageOf(topic)
    assert.deepEqual(Object.keys(fields).sort(), Object.keys(payloadSchema(topic).properties ?? {}).sort())
    assert.ok(Object.values(fields).every(({ required }) => !required))
  })

  test(`${name}: a record in protobuf says so, and gives the event again`, () => {
    const { value, headers, ...place } = recordOf(everything, topic, contract.example)
    assert.deepEqual(headers, { 'content-type': 'application/x-protobuf' })
    assert.deepEqual(topic.decode(value, headers), contract.example)
    const { value: inJson, ...sameAs } = recordOf({ prefix: 'im.' }, topic, contract.example)
    assert.deepEqual(place, sameAs, 'nothing else is different, and JSON needs no header')
    assert.deepEqual(topic.decode(inJson, {}), contract.example)
    const decoded = messageOf(topic).decode(value)
    assert.deepEqual(Object.keys(decoded).sort(), Object.keys(contract.example).sort())
  })
}

test('bytes that are no UTF-8, ids up to 2^53 and empty payloads survive', () => {
  const report: ReportSubmittedJson = {
    report_id: 'r',
    report_type: 't',
    user_id: String(Number.MAX_SAFE_INTEGER),
    client_type: 0,
    gate_id: 'g',
    create_time: 0,
    received_time: Number.MAX_SAFE_INTEGER,
    payload: Buffer.from([0, 255, 128]).toString('base64'),
    repeated: true,
  }
  for (const event of [report, { ...report, payload: '' }]) {
    const { value, headers } = recordOf(everything, topics.reportSubmitted, event)
    assert.deepEqual(topics.reportSubmitted.decode(value, headers), event)
  }
})

test('a result of a whole push has no user in either form', () => {
  const event = { push_id: 'p', outcome: 'rejected', reason: 'no', time: 5 } as const
  const { value, headers } = recordOf(everything, topics.pushResult, event)
  assert.deepEqual(topics.pushResult.decode(value, headers), event)
  const undefinedUser = { ...event, user_id: undefined }
  assert.deepEqual(recordOf(everything, topics.pushResult, undefinedUser as never).value, value)
})

test('what says that it is protobuf and is none is an error of that record', () => {
  const headers = { 'content-type': 'application/x-protobuf' }
  assert.throws(() => topics.messageStored.decode(Buffer.from('{"conversation":"c:1:2"}'), headers))
})

const settings: readonly [given: string, names: readonly string[] | RegExp][] = [
  ['', []],
  ['message.stored, push.result', ['message.stored', 'push.result']],
  ['*', read.map(({ name }) => name)],
  ['message.sotred', /TOPICS_IN_PROTOBUF.*each is one of message\.stored, .* or \*/],
  ['im.message.stored', /each is one of/],
  ['message.submitted', /each is one of/],
  ['push.requested', /each is one of/],
]
for (const [given, expected] of settings)
  test(`TOPICS_IN_PROTOBUF=${given} is ${expected instanceof RegExp ? 'refused' : expected.join(', ') || 'none'}`, () => {
    const style = () => recordStyle(readConfig({ TOPICS_IN_PROTOBUF: given, TOPIC_PREFIX: 'x.' }))
    if (expected instanceof RegExp)
      assert.throws(style, ({ faults }: ConfigError) => expected.test(faults.join()))
    else assert.deepEqual(style(), { prefix: 'x.', inProtobuf: new Set(expected) })
  })
