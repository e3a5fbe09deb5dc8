/** Payloads stay readable for whoever knows those of the last release (spec 3; `npm run release-schemas` writes them). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { JsonSchema } from '../../schemas/asyncapi.js'
import { breaks, current, type Released } from './compatibility.js'

const released = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../test/schemas/released.json'), 'utf8'),
) as Released

test('no payload breaks who knows the last release', () => {
  assert.deepEqual(breaks(released, current()), [])
})

const base: JsonSchema = {
  type: 'object',
  properties: { id: { type: 'string', maxLength: 9 }, state: { type: 'string', enum: ['on', 'off'] } },
  required: ['id'],
}
const withTopic = (schema: JsonSchema, written: boolean): Released => ({
  topics: { t: { written, schema } },
  protobuf: {},
})
const changed = (more: object): JsonSchema => ({ ...base, ...more })
const state = (values: readonly string[]) => ({
  properties: { ...base.properties, state: { type: 'string', enum: values } },
})

const changes: [string, JsonSchema, { read: boolean; written: boolean }][] = [
  ['nothing', base, { read: true, written: true }],
  [
    'a new optional field',
    changed({ properties: { ...base.properties, x: {} } }),
    { read: true, written: true },
  ],
  [
    'a new required field',
    changed({ properties: { ...base.properties, x: {} }, required: ['id', 'x'] }),
    { read: true, written: false },
  ],
  ['a field that may be missing now', changed({ required: [] }), { read: false, written: true }],
  ['a field less', changed({ properties: { id: base.properties?.id } }), { read: false, written: false }],
  [
    'another type',
    changed({ properties: { ...base.properties, id: { type: 'number' } } }),
    { read: false, written: false },
  ],
  ['a value more', changed(state(['on', 'off', 'gone'])), { read: false, written: true }],
  ['a value less', changed(state(['on'])), { read: true, written: false }],
  [
    'a stricter limit',
    changed({ properties: { ...base.properties, id: { type: 'string', maxLength: 8 } } }),
    { read: true, written: false },
  ],
]
for (const [what, after, may] of changes)
  test(`${what}: ${may.read ? 'fine' : 'a break'} for who reads, ${may.written ? 'fine' : 'a break'} for who writes`, () => {
    assert.equal(breaks(withTopic(base, false), withTopic(after, false)).length === 0, may.read)
    assert.equal(breaks(withTopic(base, true), withTopic(after, true)).length === 0, may.written)
  })

const fields: [string, Released['protobuf'], boolean][] = [
  ['a new optional field', { M: { a: '1 required string', b: '2 optional string' } }, true],
  ['a new required field', { M: { a: '1 required string', b: '2 required string' } }, false],
  ['another number', { M: { a: '2 required string' } }, false],
  ['another type', { M: { a: '1 required bytes' } }, false],
  ['a message less', {}, false],
]
for (const [what, protobuf, isFine] of fields)
  test(`in protobuf ${what} is ${isFine ? 'fine' : 'a break'}`, () => {
    const before = { topics: {}, protobuf: { M: { a: '1 required string' } } }
    assert.equal(breaks(before, { topics: {}, protobuf }).length === 0, isFine)
  })
