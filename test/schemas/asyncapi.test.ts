/** /asyncapi.json describes the topics of businesses, and is what the official parser takes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import protobuf from 'protobufjs'
import { topicsPage } from '../../gateway/http/topics-page.js'
import { asyncApi, externalTopics } from '../../schemas/asyncapi.js'
import { topics } from '../../schemas/topics.js'
import { findAsyncApiParser } from '../helpers/asyncapi-parser.js'

const document = asyncApi('im.', 4)

/** The parser does not look into protobuf by itself. */
const protobufSchemas = {
  getMimeTypes: () => ['application/vnd.google.protobuf;version=2'],
  validate: ({ data }: { readonly data: unknown }) => void protobuf.parse(String(data)),
  parse: ({ data }: { readonly data: unknown }) => ({ 'x-messages': String(data) }),
}

test('the official parser finds no error in it', async (t) => {
  const found = findAsyncApiParser()
  if ('missing' in found) return t.skip(found.missing)
  found.parser.registerSchemaParser(protobufSchemas)
  const { diagnostics } = await found.parser.parse(JSON.stringify(document))
  const errors = diagnostics.filter(({ severity }) => severity === 0)
  assert.deepEqual(
    errors.map(({ message, path }) => `${path.join('.')}: ${message}`),
    [],
  )
})

test('every topic that businesses read or write is a channel, and no other', () => {
  const external = Object.values(topics).filter(({ external }) => external !== undefined)
  assert.deepEqual(Object.keys(document.channels).sort(), external.map(({ name }) => name).sort())
  assert.equal(document.channels['push.requested']?.address, 'im.push.requested')
  assert.equal(document.operations['receive-push-requested']?.action, 'receive')
  assert.equal(document.operations['send-push-result']?.action, 'send')
})

test('every topic has a message in JSON, and one in protobuf that names what it is', () => {
  const file = document.components.schemas['business.proto']!
  const root = protobuf.parse(file.schema).root
  for (const { messages } of Object.values(document.channels)) {
    const types = Object.keys(messages).map((name) => document.components.messages[name]!)
    assert.deepEqual(
      types.map(({ contentType }) => contentType),
      ['application/json', 'application/x-protobuf'],
    )
    const [, inProtobuf] = types
    const described = 'description' in inProtobuf! ? inProtobuf.description : ''
    assert.ok(root.lookupType(described.replace(/ of .*/, '')), described)
    assert.deepEqual(inProtobuf!.payload, { $ref: '#/components/schemas/business.proto' })
  }
})

for (const { name, contract } of externalTopics)
  test(`the example of ${name} is one`, () => {
    const { success, error } = contract.schema.safeParse(contract.example)
    assert.ok(success, error?.message)
  })

test('the page names each topic with its fields, and loads nothing from elsewhere', () => {
  const page = topicsPage(document)
  for (const { name, contract } of externalTopics) {
    assert.ok(page.includes(`im.${name}`), name)
    assert.match(page, /coffeechat\.business\.MessageStored of business\.proto/)
    for (const field of Object.keys(contract.example))
      assert.ok(page.includes(`<code>${field}</code>`), field)
  }
  assert.doesNotMatch(page, /(src|href)="(https?:)?\/\//)
})
