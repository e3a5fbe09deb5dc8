/** Contacts on the real PostgreSQL, judged by the rules, and what they mean for storing a message. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { createContactChanges, createContactDirectory } from '../../../infra/postgres/contacts.js'
import { createMessageStore, type StrangerPolicy } from '../../../infra/postgres/messages.js'
import { type ContactChangeCall, parseContactCall } from '../../../schemas/contact-operations.js'
import { judgeContact } from '../../../workers/kit/contact-rules.js'
import type { ContactOutcome } from '../../../workers/ports/contacts.js'
import type { NewMessage } from '../../../workers/ports/messages.js'
import { message } from '../../helpers/new-message.js'
import { populated } from '../../helpers/populated.js'

const [none, requested, asked, friend] = [0, 1, 2, 3]
const [inBlack, notFriend, unknownUser] = [3, 8, 9]
const robot = 90
const gone = 99

let pool: pg.Pool
let close: () => Promise<void>
before(async () => {
  ;({ pool, close } = await populated(99, { gone, robot }))
})
after(() => close())

let user = 0
/** Two users whom no other test uses. */
const twoUsers = (): readonly [number, number] => [++user, ++user]
let clock = 1_000

async function apply(operation: string, given: object, time = clock++): Promise<ContactOutcome> {
  const call = parseContactCall(operation, JSON.stringify(given)) as ContactChangeCall
  const peers =
    call.operation === 'befriend'
      ? call.arguments.friends.map((each) => each.peer_id)
      : [call.arguments.peer_id]
  const [outcome] = await createContactChanges(pool).apply([
    { user_id: call.arguments.user_id, peers, time, judge: (state) => judgeContact(call, state) },
  ])
  return outcome!
}

/** Whose lists changed, with the state there. */
async function changed(operation: string, given: object, time?: number) {
  const outcome = await apply(operation, given, time)
  assert.equal(outcome.kind, 'done', JSON.stringify(outcome))
  return (outcome as Extract<ContactOutcome, { kind: 'done' }>).changed.map(({ user_id, state }) => [
    user_id,
    state,
  ])
}

const listOf = (user_id: number, version = 0, limit = 500) =>
  createContactDirectory(pool, 'anyone').changedSince(user_id, version, limit)

/** The res_codes of a batch. */
const codesOf = async (messages: readonly NewMessage[], policy?: StrangerPolicy) =>
  (await createMessageStore(pool, policy).store(messages)).map(({ res_code }) => res_code)

test('a request stands in both lists until it is accepted, and friends until one deletes the other', async () => {
  const [ada, bo] = twoUsers()
  const pair = { user_id: ada, peer_id: bo }
  const back = { user_id: bo, peer_id: ada }
  assert.deepEqual(await changed('apply', { ...pair, greeting: 'hi' }), [
    [ada, requested],
    [bo, asked],
  ])
  assert.deepEqual(
    (await listOf(bo)).map(({ peer_id, greeting, nick_name }) => [peer_id, greeting, nick_name]),
    [[ada, 'hi', `user ${ada}`]],
  )
  assert.deepEqual(await changed('answer', { ...back, accept: true }), [
    [bo, friend],
    [ada, friend],
  ])
  assert.deepEqual(await changed('remark', { ...back, remark: 'tea' }), [[bo, friend]])
  assert.deepEqual(
    (await listOf(bo)).map(({ remark }) => remark),
    ['tea'],
  )
  assert.deepEqual(await changed('delete', pair), [
    [ada, none],
    [bo, none],
  ])
  assert.deepEqual([await listOf(ada), (await listOf(ada, 1)).length], [[], 1])
})

test('a refused request is gone on both sides; who asks whom asked them is a friend', async () => {
  const [ada, bo] = twoUsers()
  await apply('apply', { user_id: ada, peer_id: bo })
  assert.deepEqual(await changed('answer', { user_id: bo, peer_id: ada, accept: false }), [
    [bo, none],
    [ada, none],
  ])
  await apply('apply', { user_id: ada, peer_id: bo })
  assert.deepEqual(await changed('apply', { user_id: bo, peer_id: ada }), [
    [bo, friend],
    [ada, friend],
  ])
})

test('a request that comes again tells again what it changed; another one for what is so changes nothing', async () => {
  const [ada, bo] = twoUsers()
  const pair = { user_id: ada, peer_id: bo }
  const first = await apply('apply', pair, 7)
  assert.deepEqual(await apply('apply', pair, 7), first)
  assert.deepEqual(await changed('apply', pair, 8), [])
})

test('versions rise by one with each change, also when changes of one list come together', async () => {
  const [ada] = twoUsers()
  const others = [80, 81, 82, 83, 84, 85]
  await Promise.all(others.map((peer_id) => apply('apply', { user_id: ada, peer_id })))
  await apply('block', { user_id: ada, peer_id: 80, blocked: true })
  const all = await listOf(ada)
  assert.deepEqual(
    all.map(({ version }) => version),
    all.map(({ version }) => version).toSorted((one, other) => one - other),
  )
  assert.equal(all.at(-1)?.version, 7)
  assert.equal(all.at(-1)?.peer_id, 80)
  const page = await listOf(ada, 0, 2)
  assert.deepEqual([...page, ...(await listOf(ada, page.at(-1)!.version))], all)
})

test('an import makes all of them friends, or nobody', async () => {
  const [ada, bo] = twoUsers()
  const friends = [{ peer_id: bo, remark: 'b' }, { peer_id: 80 }, { peer_id: bo, remark: 'c' }]
  assert.equal(
    (await apply('befriend', { user_id: ada, friends: [...friends, { peer_id: gone }] })).kind,
    'refused',
  )
  assert.equal((await listOf(ada)).length, 0)
  await apply('befriend', { user_id: ada, friends })
  assert.deepEqual(
    (await listOf(ada)).map(({ peer_id, state, remark }) => [peer_id, state, remark]),
    [
      [bo, friend, 'c'],
      [80, friend, ''],
    ],
  )
})

test('what a blocked user writes is refused and stored nowhere; what was stored before is acked again', async () => {
  const [ada, bo] = twoUsers()
  const before = message(bo, ada)
  assert.deepEqual(await codesOf([before]), [0])
  await apply('block', { user_id: ada, peer_id: bo, blocked: true })
  const refused = message(bo, ada)
  assert.deepEqual(await codesOf([refused, before, message(ada, bo), message(bo, bo)]), [inBlack, 0, 0, 0])
  await apply('block', { user_id: ada, peer_id: bo, blocked: false })
  assert.deepEqual(await codesOf([refused]), [0])
})

test('where only friends may write, strangers may not; robots, and a user to themselves, may', async () => {
  const [ada, bo] = twoUsers()
  const batch = () => [
    message(ada, bo),
    message(ada, ada),
    message(ada, robot),
    message(robot, ada),
    message(ada, gone),
  ]
  assert.deepEqual(await codesOf(batch(), 'friends'), [notFriend, 0, 0, 0, unknownUser])
  assert.deepEqual(await codesOf(batch(), 'anyone'), [0, 0, 0, 0, unknownUser])
  await apply('apply', { user_id: ada, peer_id: bo })
  assert.deepEqual(await codesOf(batch(), 'friends'), [notFriend, 0, 0, 0, unknownUser])
  await apply('answer', { user_id: bo, peer_id: ada, accept: true })
  assert.deepEqual(await codesOf([message(ada, bo), message(bo, ada)], 'friends'), [0, 0])
})

test('a refusal leaves no hole in the numbers', async () => {
  const [ada, bo] = twoUsers()
  await apply('block', { user_id: ada, peer_id: bo, blocked: true })
  const stored = await createMessageStore(pool).store([message(ada, bo), message(bo, ada), message(ada, bo)])
  assert.deepEqual(
    stored.map(({ server_msg_id }) => server_msg_id),
    [1, 0, 2],
  )
})

test('a block that was answered lets nothing through, however many messages are on their way', async () => {
  const [ada, bo] = twoUsers()
  await codesOf([message(bo, ada)])
  let answered = false
  const late: number[] = []
  const writing = Array.from({ length: 40 }, async () => {
    const began = answered
    const [code] = await codesOf([message(bo, ada)])
    if (began) late.push(code!)
  })
  await apply('block', { user_id: ada, peer_id: bo, blocked: true })
  answered = true
  writing.push(
    codesOf([message(bo, ada)]).then((codes) => {
      late.push(...codes)
    }),
  )
  await Promise.all(writing)
  assert.deepEqual([...new Set(late)], [inBlack])
})

test('the users whom one may write to are friends first, then strangers who have not blocked one', async () => {
  const [ada, bo] = twoUsers()
  await apply('befriend', { user_id: ada, friends: [{ peer_id: 85 }] })
  await apply('block', { user_id: bo, peer_id: ada, blocked: true })
  const idsFor = async (policy: StrangerPolicy) =>
    (await createContactDirectory(pool, policy).reachable(ada, 50)).map(({ user_id }) => user_id)
  assert.deepEqual(await idsFor('friends'), [85])
  const all = await idsFor('anyone')
  assert.deepEqual([all[0], all.length, all.includes(bo), all.includes(ada)], [85, 50, false, false])
})

test('a message finds the contact of its pair by index', async () => {
  await pool.query('SET enable_seqscan = off')
  const { rows } = await pool.query<{ 'QUERY PLAN': string }>(
    `EXPLAIN SELECT b.blocked FROM unnest('{1,2}'::bigint[], '{2,1}'::bigint[]) m(f, t)
       LEFT JOIN im_contact b ON b.user_id = m.t AND b.peer_id = m.f`,
  )
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
  assert.match(plan, /im_contact_pkey/)
})
