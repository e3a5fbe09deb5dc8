import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventsShown, topicOf } from '../../ops/events.js'
import { topics } from '../../schemas/topics.js'

const origin = {
  gate_id: 'g',
  gate_epoch: 1,
  connection_id: 2,
  login_number: 3,
  user_id: 1001,
  device: { client_type: 1 },
  seq_num: 4,
}
const said = 'the secret plan'
const record = (value: Buffer) => ({ value, headers: {} })
const submitted = Buffer.from(
  topics.messageSubmitted.encode({
    origin,
    message: {
      from_user_id: 1001,
      to_session_id: 1002,
      msg_id: 'm-1',
      create_time: 5,
      msg_type: 1,
      msg_data: Buffer.from(said),
      session_type: 1,
      attach: 'a note beside it',
    },
    received_time: 6,
  }),
)

test('an event is shown with its ids and without what it says', () => {
  const text = JSON.stringify(eventsShown(topics.messageSubmitted, record(submitted), false))
  assert.match(text, /"msg_id":"m-1"/)
  assert.match(text, /\(15 bytes\)/)
  assert.doesNotMatch(text, /note beside/)
  assert.doesNotMatch(text, new RegExp(`secret plan|${Buffer.from(said).toString('base64')}`))
})

test('what it says is shown when it is asked for', () => {
  const text = JSON.stringify(eventsShown(topics.messageSubmitted, record(submitted), true))
  assert.match(text, new RegExp(Buffer.from(said).toString('base64')))
  assert.match(text, /note beside/)
})

test('a token is never shown', () => {
  const login = { user_id: 1001, nick_name: 'Ada', user_token: 'xyzzy', client_type: 1 }
  const bytes = Buffer.from(topics.requestLogin.encode({ origin, login: login as never, time: 6 }))
  for (const withBodies of [true, false])
    assert.doesNotMatch(JSON.stringify(eventsShown(topics.requestLogin, record(bytes), withBodies)), /xyzzy/)
})

test('bytes that are no event are named as such', () => {
  assert.match(
    String(eventsShown(topics.messageSubmitted, record(Buffer.from('??')), true)),
    /^not a MessageSubmitted/,
  )
})

test('a topic is found by its full name, a gate by its pattern', () => {
  assert.equal(topicOf('im.', 'im.message.submitted'), topics.messageSubmitted)
  assert.equal(topicOf('im.', 'im.gate.gate-1.outbound'), topics.gateOutbound)
  assert.equal(topicOf('im.', 'other.message.submitted'), undefined)
  assert.equal(topicOf('im.', 'im.messageXsubmitted'), undefined)
})
