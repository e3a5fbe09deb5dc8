import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDevicePresence, createOfflineSweep, createPresence } from '../../../infra/redis/presence.js'
import { deviceKey, parseDeviceKey } from '../../../schemas/ids.js'
import type { LoginPolicy, PresentDevice } from '../../../workers/ports/presence.js'
import { randomNumbers } from '../../helpers/random.js'
import { freshRedis } from '../../helpers/redis.js'

const { redis, keys } = freshRedis()
let lastUser = 0
const newUser = () => ++lastUser

const presenceWith = (policy: LoginPolicy) => createPresence({ redis, keys, policy })
const presence = presenceWith('one-per-type')
const gateSide = (gate_id: string, gate_epoch: number, policy: LoginPolicy = 'one-per-type') =>
  createDevicePresence({ redis, keys, policy, identity: { gate_id, gate_epoch } })
const { takeOffline: sweep, announced } = createOfflineSweep({ redis, keys, policy: 'one-per-type' })

const login = (
  user_id: number,
  device: string,
  login_number: number,
  more: Partial<PresentDevice> = {},
): PresentDevice => ({
  user_id,
  device: parseDeviceKey(device),
  gate_id: 'g1',
  gate_epoch: 1_700_000_000_000,
  connection_id: 100 + login_number,
  login_number,
  since: 1_700_000_001_234,
  ...more,
})

const numbersOf = async (user: number): Promise<number[]> =>
  ((await presence.of([user])).get(user) ?? []).map(({ login_number }) => login_number).sort((a, b) => a - b)

test('a login is present with everything it said, and its devices come in one answer for many users', async () => {
  const [a, b, c] = [newUser(), newUser(), newUser()]
  const first = login(a, '2:my|phone:"x"\n', 2 ** 53 - 1, { client_version: '1.2.3' })
  const second = login(a, '3', 6)
  const third = login(b, '1', 7, { gate_id: 'other', gate_epoch: 2 ** 53 - 1 })
  assert.deepEqual(await presence.login([first, second, third]), [
    { accepted: true, replaced: [], ended: [] },
    { accepted: true, replaced: [], ended: [] },
    { accepted: true, replaced: [], ended: [] },
  ])
  const present = await presence.of([a, b, c, a])
  assert.deepEqual([...present.keys()].sort(), [a, b])
  assert.deepEqual(new Set(present.get(a)), new Set([first, second]))
  assert.deepEqual(present.get(b), [third])
})

const policies: [LoginPolicy, string, string, boolean][] = [
  ['one-per-type', '2', '2', true],
  ['one-per-type', '2:old-phone', '2:new-phone', true],
  ['one-per-type', '1', '2', false],
  ['one-per-type', '2', '3', false],
  ['one-per-class', '1', '2:x', true],
  ['one-per-class', '5', '6', true],
  ['one-per-class', '3', '3', true],
  ['one-per-class', '2', '3', false],
  ['one-per-class', '2', '5', false],
  ['one-per-class', '0', '4', false],
  ['single', '2', '3', true],
  ['single', '0', '6:x', true],
  ['unlimited', '2:a', '2:b', false],
  ['unlimited', '2:a', '2:a', true],
  ['unlimited', '2', '2', true],
]
for (const [policy, before, after, replaces] of policies)
  test(`${policy}: a login of ${after} ${replaces ? 'replaces' : 'stands beside'} ${before}`, async () => {
    const user = newUser()
    const old = login(user, before, 3)
    const both = presenceWith(policy)
    await both.login([old])
    const [result] = await both.login([login(user, after, 9)])
    assert.deepEqual(result, { accepted: true, replaced: replaces ? [old] : [], ended: [] })
    assert.deepEqual(await numbersOf(user), replaces ? [9] : [3, 9])
  })

test('a login below the number that holds its place is refused and changes nothing', async () => {
  const user = newUser()
  await presence.login([login(user, '2', 9)])
  assert.deepEqual(await presence.login([login(user, '2:x', 3)]), [
    { accepted: false, replaced: [], ended: [] },
  ])
  assert.deepEqual(await numbersOf(user), [9])
})

test('a repeated login answers as the first time, also with what it replaced', async () => {
  const user = newUser()
  const old = login(user, '2', 3)
  await presence.login([old])
  const first = await presence.login([login(user, '2:x', 9)])
  assert.deepEqual(await presence.login([login(user, '2:x', 9)]), first)
  assert.deepEqual(first[0]?.replaced, [old])
  assert.deepEqual(await presence.login([old]), [{ accepted: false, replaced: [], ended: [] }])
})

test('what an earlier start of the gate left behind has ended and is not kicked', async () => {
  const user = newUser()
  const dead = login(user, '2', 8)
  await presence.login([dead])
  const restarted = login(user, '2', 5, { gate_epoch: dead.gate_epoch + 1 })
  assert.deepEqual(await presence.login([restarted]), [{ accepted: true, replaced: [], ended: [dead] }])
  assert.deepEqual(await numbersOf(user), [5])
})

test('a login is removed only by its own gate, epoch and number', async () => {
  const user = newUser()
  const held = login(user, '2', 4)
  await presence.login([held])
  const others = [
    { ...held, login_number: 3 },
    { ...held, gate_id: 'g2' },
    { ...held, gate_epoch: 1 },
    { ...held, device: { client_type: 3 } },
  ]
  assert.deepEqual(await presence.remove(others), [false, false, false, false])
  assert.deepEqual(await numbersOf(user), [4])
  assert.deepEqual(await presence.remove([held, held]), [true, false])
  assert.deepEqual(await redis.exists(keys.presence(user)), 0)
})

test('any interleaving of simultaneous logins leaves exactly the highest number, and each other is replaced or refused', async () => {
  const random = randomNumbers(7)
  for (let round = 0; round < 30; round++) {
    const user = newUser()
    const logins = Array.from({ length: 6 }, (_, at) =>
      login(user, '2', at + 1, { gate_id: `g${at % 3}`, gate_epoch: 5 }),
    ).sort(() => random(3) - 1)
    const results = (await Promise.all(logins.map((each) => presence.login([each])))).flat()
    assert.deepEqual(await numbersOf(user), [6])
    const closed = results.flatMap(({ accepted, replaced }, at) => [
      ...(accepted ? [] : [logins[at]!.login_number]),
      ...replaced.map(({ login_number }) => login_number),
    ])
    assert.deepEqual(closed.sort(), [1, 2, 3, 4, 5])
  }
})

test('a gate registers again what Redis lost, and hears what had changed meanwhile', async () => {
  const [kept, lost, taken] = [newUser(), newUser(), newUser()]
  const gate = gateSide('g-back', 10)
  const at = { gate_id: 'g-back', gate_epoch: 10 }
  const logins = [login(kept, '2', 4, at), login(lost, '2', 5, at), login(taken, '2', 6, at)]
  await presence.login(logins)
  await redis.del(keys.presence(lost))
  await presence.login([login(taken, '2', 7, { gate_id: 'g2' })])
  assert.deepEqual(await gate.register(logins), ['kept', 'returned', false])
  assert.deepEqual((await presence.of([lost])).get(lost), [logins[1]])
  assert.deepEqual(await numbersOf(taken), [7])
  assert.deepEqual(await gate.remove(logins), [true, true, false])
  await gate.announced(logins)
  assert.deepEqual(await sweep(at, 10), { removed: [], more: false })
  assert.equal(await redis.exists(keys.gateLogins(at)), 0)
})

test('a registration keeps what the login said and had replaced', async () => {
  const user = newUser()
  const at = { gate_id: 'g-keeps', gate_epoch: 10 }
  await presence.login([login(user, '2', 3)])
  const newer = login(user, '2:"s":5', 8, { ...at, client_version: '"s":7' })
  const first = await presence.login([newer])
  const { client_version: _, ...known } = newer
  await gateSide('g-keeps', 10).register([{ ...known, since: 5 }])
  assert.deepEqual((await presence.of([user])).get(user), [newer])
  assert.deepEqual(await presence.login([newer]), first)
  assert.equal((await sweep(at, 10)).removed.length, 1)
})

test('the sweep takes each device of a gate offline once, whoever sweeps', async () => {
  const at = { gate_id: 'g-gone', gate_epoch: 10 }
  const users = Array.from({ length: 25 }, newUser)
  await presence.login(users.map((user) => login(user, '2:a|b', 4, at)))
  await presence.login([login(users[0]!, '2', 9)])
  const removed: number[] = []
  await Promise.all(
    [1, 2, 3].map(async () => {
      for (let more = true; more; ) {
        const step = await sweep(at, 4)
        removed.push(...step.removed.map(({ user_id }) => user_id))
        await announced(at, step.removed)
        more = step.more
      }
    }),
  )
  assert.deepEqual(
    removed.sort((a, b) => a - b),
    users.slice(1),
  )
  assert.deepEqual(await numbersOf(users[0]!), [9])
  assert.equal(await redis.exists(keys.gateLogins(at)), 0)
})

test('a sweep that is late leaves devices that were registered again alone, and they can be swept later', async () => {
  const at = { gate_id: 'g-awake', gate_epoch: 10 }
  const user = newUser()
  const held = login(user, '2', 4, at)
  await presence.login([held])
  const before = await redis.smembers(keys.gateLogins(at))
  await gateSide('g-awake', 10).register([held])
  // What the late sweep still has in hand.
  await redis.sadd(keys.gateLogins(at), ...before)
  const members = await redis.scard(keys.gateLogins(at))
  assert.equal(members, 2)
  await redis.srem(
    keys.gateLogins(at),
    ...(await redis.smembers(keys.gateLogins(at))).filter((m) => !before.includes(m)),
  )
  assert.deepEqual(await sweep(at, 10), { removed: [], more: false })
  assert.deepEqual(await numbersOf(user), [4])
  await gateSide('g-awake', 10).register([held])
  const { removed } = await sweep(at, 10)
  assert.deepEqual(
    removed.map(({ device }) => deviceKey(device)),
    ['2'],
  )
})

test('what a gate or a sweep removed and did not live to announce is announced by a sweep, once', async () => {
  const at = { gate_id: 'g-dead', gate_epoch: 10 }
  const [left, swept, back, told] = [newUser(), newUser(), newUser(), newUser()]
  const logins = [left, swept, back, told].map((user) => login(user, '2', 4, at))
  await presence.login(logins)
  const gate = gateSide('g-dead', 10)
  assert.deepEqual(await gate.remove([logins[0]!, logins[2]!, logins[3]!]), [true, true, true])
  await gate.announced([logins[3]!])
  await presence.login([login(back, '2', 9)])
  assert.deepEqual(
    (await sweep(at, 10)).removed.map(({ user_id }) => user_id),
    [swept],
    'the gate may yet announce what it has removed',
  )

  // All three are dead; another one sweeps, who waits for nobody.
  const later = createOfflineSweep({ redis, keys, policy: 'one-per-type', announcedWithin_ms: 0 })
  const { removed } = await later.takeOffline(at, 10)
  assert.deepEqual(
    removed.map(({ user_id }) => user_id).sort((a, b) => a - b),
    [left, swept],
  )
  await later.announced(at, removed)
  assert.deepEqual((await later.takeOffline(at, 10)).removed, [])
  assert.equal(await redis.exists(keys.gateLogins(at)), 0)
})
