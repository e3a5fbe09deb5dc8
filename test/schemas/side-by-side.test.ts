/** Two releases side by side, as during a rolling upgrade: what one writes on the bus the other reads, and passes on whole. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type protobuf from 'protobufjs'
import { coffeechat, readingWhole } from '../../proto/index.js'
import {
  eventTypes,
  fromTheFuture,
  messagesNow,
  messagesOfNewerRelease,
  sampleOf,
} from '../helpers/newer-release.js'

interface Codec {
  encode(message: object): { finish(): Uint8Array }
  decode(bytes: Uint8Array | ReturnType<typeof readingWhole>): object
}

/** The generated code, which is what runs. */
const ours = (type: protobuf.Type): Codec =>
  (coffeechat.event as unknown as Readonly<Record<string, Codec>>)[type.name]!

/** Everything in it, as plain values. */
const plain = (type: protobuf.Type, bytes: Uint8Array): object =>
  type.toObject(type.decode(bytes), { longs: Number, bytes: String })

const now = messagesNow()
const newer = messagesOfNewerRelease()

test('what a newer release writes is read, and all of it is in what is passed on', () => {
  const types = eventTypes(newer)
  assert.ok(types.length > 20)
  for (const type of types) {
    const bytes = type.encode(type.fromObject(sampleOf(type))).finish()
    const { decode, encode } = ours(type)
    const read = decode(readingWhole(bytes))
    for (const { name } of eventTypes(now).find((each) => each.name === type.name)!.fieldsArray)
      assert.notEqual((read as Record<string, unknown>)[name], null, `${type.name}.${name}`)
    const again = encode(read).finish()
    assert.deepEqual(plain(type, again), plain(type, bytes), type.name)
    assert.ok(Buffer.from(again).includes(fromTheFuture), type.name)
  }
})

test('what an older release writes, without any field that is optional, is read', () => {
  for (const type of eventTypes(now)) {
    const bytes = type.encode(type.fromObject(sampleOf(type, () => false))).finish()
    const read = ours(type).decode(bytes) as Record<string, unknown>
    for (const { name, required, repeated } of type.fieldsArray)
      if (!required) assert.deepEqual(read[name] ?? null, repeated ? [] : null, `${type.name}.${name}`)
  }
})

test('an event whose required field has a value that only a newer release knows is none: it waits among the dead letters', () => {
  const device = { client_type: 1 }
  const ref = {
    from_user_id: 1,
    to_session_id: 2,
    msg_id: 'm',
    session_type: 1,
    conversation: 'c:1:2',
    server_msg_id: 1,
  }
  const triggered = { reader_user_id: 2, device, ref, reason: 99, time: 1 }
  const { PushTriggered } = coffeechat.event
  const bytes = PushTriggered.encode(triggered as never).finish()
  // Hence the rule of docs/operate/rolling.md: a new value is written one release after it is known.
  assert.throws(() => PushTriggered.decode(bytes), /reason/)
})
