import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { coffeechat } from '../../proto/index.js'
import { topics } from '../../schemas/topics.js'
import type { User } from '../../workers/ports/users.js'
import { users } from '../../workers/users.worker.js'

const user: User = {
  user_id: 7,
  nick_name: 'seven',
  avatar_url: null,
  attach_info: null,
  token_version: 3,
  active: true,
  created: 1,
  updated: 2,
}
const place = { topic: 'any', partition: 0, offset: 0, appended: 0 }
const loaded = { users: new Map([[7, user]]), devices: new Map(), desk: new Map() }

const asked = (operation: string, given: unknown): coffeechat.event.IUserRequested => ({
  origin: {
    gate_id: 'gate-1',
    gate_epoch: 1,
    connection_id: 2,
    login_number: 0,
    user_id: 7,
    device: { client_type: 4 },
    seq_num: 0,
  },
  time: 1,
  operation,
  arguments: typeof given === 'string' ? given : JSON.stringify(given),
})

/** What is decided: the answer's status, or the kind of the outcome. */
const decide = (operation: string, given: unknown, known = loaded) =>
  users.decide(asked(operation, given), known, place).map((outcome) => {
    if (outcome.kind !== 'emit' || outcome.topic.name !== topics.gateOutbound.name) return outcome.kind
    return (outcome.event as coffeechat.event.IOutbound).packet?.[0]?.http_status
  })

test('questions are answered from what was loaded', () => {
  assert.deepEqual(decide('get', { user_id: 7 }), [200])
  assert.deepEqual(decide('devices', { user_id: 7 }), [200])
  assert.deepEqual(decide('get', { user_id: 7 }, { ...loaded, users: new Map() }), [404])
})

test('a token is good for the version that the user has now, while the user is active', () => {
  const inactive = { ...loaded, users: new Map([[7, { ...user, active: false }]]) }
  assert.deepEqual(decide('check-token', { user_id: 7, version: 3 }), [200])
  assert.deepEqual(decide('check-token', { user_id: 7, version: 2 }), [401])
  assert.deepEqual(decide('check-token', { user_id: 7, version: 3 }, inactive), [403])
  assert.deepEqual(decide('check-token', { user_id: 7, version: 3 }, { ...loaded, users: new Map() }), [401])
})

test('changes are saved, whoever exists: the database judges', () => {
  for (const operation of ['deactivate', 'rotate-token', 'kick'])
    assert.deepEqual(decide(operation, { user_id: 8 }), ['save'])
  assert.deepEqual(decide('create', { user_id: 8, nick_name: 'eight' }), ['save'])
})

const unusable: [string, unknown][] = [
  ['no-such-operation', {}],
  ['toString', {}],
  ['get', {}],
  ['get', 'no JSON'],
  ['get', { user_id: 2 ** 48 }],
  ['kick', { user_id: 7, client_type: 99 }],
  ['create', { user_id: 7, nick_name: 'x'.repeat(33) }],
]
for (const [operation, given] of unusable)
  test(`${operation} with ${JSON.stringify(given).slice(0, 40)} is answered and goes to the dead letters`, () => {
    assert.deepEqual(decide(operation, given), [500, 'reject'])
  })

test('a repeated record and an Idempotency-Key are the same request, another one is not', () => {
  const keyOf = (event: coffeechat.event.IUserRequested) => {
    const [outcome] = users.decide(event, loaded, place)
    return outcome?.kind === 'save' ? outcome.row.request.key : undefined
  }
  const event = asked('rotate-token', { user_id: 7 })
  const later = { ...event, origin: { ...event.origin, connection_id: 3 } }
  assert.equal(keyOf(event), keyOf(structuredClone(event)))
  assert.notEqual(keyOf(event), keyOf(later))
  assert.equal(keyOf({ ...event, idempotency_key: 'k' }), keyOf({ ...later, idempotency_key: 'k' }))
})
