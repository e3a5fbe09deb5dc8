/** Contacts over REST, with the worker that answers, on the real PostgreSQL (spec 4). */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { coffeechat } from '../../../proto/index.js'
import { commands } from '../../../schemas/packets.js'
import { topics } from '../../../schemas/topics.js'
import { openRest } from './rest.js'

const { call, register, logIn, published } = await openRest()
before(async () => {
  for (const user of [1, 2, 3, 4, 5, 6, 7, 8]) await register(user)
})

const friendsOf = async (user: number, query = '') =>
  (await call('GET', `/v1/users/${user}/friends${query}`)).body

test('an app server makes friends, names them, reads them by version, and ends the friendship', async () => {
  const made = await call('PUT', '/v1/users/1/friends/2', { body: { remark: 'tea' } })
  assert.equal(made.status, 200)
  const { update_time, ...contact } = made.body
  assert.deepEqual(contact, {
    user_id: '2',
    nick_name: 'user 2',
    state: 3,
    blocked: false,
    remark: 'tea',
    version: 1,
  })
  const list = await friendsOf(1)
  assert.deepEqual(list, { contacts: [made.body], version: 1, has_more: false })
  assert.deepEqual((await friendsOf(1, '?version=1')).contacts, [])
  assert.equal((await friendsOf(2)).contacts[0].state, 3)
  assert.equal((await call('DELETE', '/v1/users/1/friends/2')).body.state, 0)
  assert.deepEqual((await friendsOf(2)).contacts, [])
})

test('an import makes many friends at once; the list comes in pages', async () => {
  const friends = ['4', '5', '6'].map((user_id) => ({ user_id }))
  const done = await call('POST', '/v1/users/3/friends:import', { body: { friends } })
  assert.deepEqual([done.status, done.body.contacts?.length], [200, 3])
  const first = await friendsOf(3, '?limit=2')
  assert.deepEqual([first.contacts.length, first.has_more], [2, true])
  const rest = await friendsOf(3, `?version=${first.version}`)
  assert.deepEqual([rest.contacts.length, rest.has_more], [1, false])
})

test('a blocked user is refused with 403 until unblocked, and brought into no group by whom they blocked', async () => {
  const send = () =>
    call('POST', '/v1/messages', {
      body: { from_user_id: '8', to_user_id: '7', msg_id: 'm', msg_type: 1, text: 'x' },
    })
  assert.equal((await call('PUT', '/v1/users/7/blocklist/8')).body.blocked, true)
  const refused = await send()
  assert.deepEqual([refused.status, refused.body.error.code], [403, 'IN_BLACK'])
  assert.equal((await call('DELETE', '/v1/users/7/blocklist/8')).body.blocked, false)
  assert.equal((await send()).status, 201)
})

test('both sides are told on their devices', async () => {
  await logIn(5, 1, 51)
  await logIn(6, 2, 61)
  await call('PUT', '/v1/users/5/friends/6')
  const packets = published<coffeechat.event.IOutbound>(topics.gateOutbound).flatMap(
    ({ packet }) => packet ?? [],
  )
  const told = packets
    .filter(({ command_id }) => command_id === commands.CONTACT_CHANGED_NOTIFY.id)
    .map(({ target, body }) => {
      const { user_id, contact } = commands.CONTACT_CHANGED_NOTIFY.type.decode(body)
      return [target?.map((each) => each.user_id), user_id, contact.user_id, contact.state]
    })
  assert.deepEqual(told, [
    [[5], 0, 6, 3],
    [[6], 0, 5, 3],
  ])
})

const refusals: [string, Parameters<typeof call>, number, string][] = [
  ['oneself', ['PUT', '/v1/users/1/friends/1'], 400, 'BAD_REQUEST'],
  ['an unknown user', ['PUT', '/v1/users/1/friends/77'], 404, 'NOT_FOUND'],
  ['blocking an unknown user', ['PUT', '/v1/users/1/blocklist/77'], 404, 'NOT_FOUND'],
  ['no id', ['PUT', '/v1/users/1/friends/x'], 400, 'BAD_REQUEST'],
  [
    'a remark of 33',
    ['PUT', '/v1/users/1/friends/2', { body: { remark: 'x'.repeat(33) } }],
    400,
    'BAD_REQUEST',
  ],
  ['an empty import', ['POST', '/v1/users/1/friends:import', { body: { friends: [] } }], 400, 'BAD_REQUEST'],
]
for (const [what, request, status, code] of refusals)
  test(`${what} is refused with ${code}`, async () => {
    const reply = await call(...request)
    assert.deepEqual([reply.status, reply.body.error?.code], [status, code])
  })
