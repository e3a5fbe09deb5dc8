/** A gate takes devices offline, and back, while Redis's answers are lost: what was done is told, and told once. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createPresenceChanges } from '../../../gateway/presence.js'
import { createRedis } from '../../../infra/redis/client.js'
import { createDevicePresence, createOfflineSweep, createPresence } from '../../../infra/redis/presence.js'
import { redisAddress } from '../../../schemas/redis-settings.js'
import type { PresentDevice } from '../../../workers/ports/presence.js'
import { silentLog } from '../../helpers/log.js'
import { freshRedis } from '../../helpers/redis.js'
import { stack } from '../../helpers/stack.js'
import { type Cut, startTcpProxy } from '../../helpers/tcp-proxy.js'
import { until } from '../../helpers/until.js'

const { redis, keys, prefix } = freshRedis()
const policy = 'one-per-type'
const presence = createPresence({ redis, keys, policy })
const identity = { gate_id: 'g1', gate_epoch: 1_700_000_000_000 }

const proxy = await startTcpProxy(new URL(stack().redis).host)
const through = createRedis(redisAddress({ REDIS_URL: [`redis://${proxy.address}`] }), silentLog)
const gate = createDevicePresence({ redis: through, keys, policy, identity })
after(async () => {
  through.disconnect()
  await proxy.close()
})

let lastUser = 0
/** A device of a new user that is online at the gate. */
async function online(): Promise<PresentDevice> {
  const user_id = ++lastUser
  const login = {
    user_id,
    device: { client_type: 2 },
    ...identity,
    connection_id: user_id,
    login_number: user_id,
    since: 1,
  }
  await presence.login([login])
  return login
}

/** The connection knows the scripts: from now on a request is the command itself. */
async function warmUp(): Promise<void> {
  const login = await online()
  assert.deepEqual(await gate.remove([login]), [true])
  await gate.announced([login])
}

/** Nothing waits to be said of any device of the gate. */
async function assertNothingLeft(): Promise<void> {
  assert.equal(await redis.exists(keys.gateLogins(identity)), 0)
  assert.deepEqual(await redis.keys(`${prefix}left:*`), [])
}

/** Repeated until Redis is back, as the gate does. */
const again = <Answer>(call: () => Promise<Answer>): Promise<Answer> =>
  until(
    'Redis is back',
    () =>
      call().then(
        (answer) => ({ answer }),
        () => undefined,
      ),
    10_000,
  ).then(({ answer }) => answer)

for (const [when, what] of [
  ['after', 'the answer is lost'],
  ['before', 'the request is lost'],
] as const)
  test(`devices whose connections ended are offline, each told once, where ${what}`, async () => {
    await warmUp()
    const logins = [await online(), await online(), await online()]
    const told: number[] = []
    let done = false
    const changes = createPresenceChanges({
      gate_id: identity.gate_id,
      style: { prefix },
      presence: {
        ...gate,
        async announced(some) {
          await gate.announced(some)
          done = true
        },
      },
      publish: async (records) => void told.push(...records.map(({ key }) => Number(key))),
      log: silentLog,
    })
    const cut = proxy.cutNext(when, keys.presence(logins[1]!.user_id))
    for (const login of logins) changes.left(login)
    await cut
    await until('all are told', () => done, 10_000)
    changes.stop()
    assert.deepEqual(
      told,
      logins.map(({ user_id }) => user_id),
    )
    assert.equal((await presence.of(told)).size, 0)
    await assertNothingLeft()
  })

/** What comes between a removal whose connection is cut, and its repetition. */
async function interrupted(when: Cut, between: (login: PresentDevice) => Promise<unknown>) {
  await warmUp()
  const login = await online()
  const cut = proxy.cutNext(when, keys.presence(login.user_id))
  await assert.rejects(gate.remove([login]))
  await cut
  await between(login)
  return again(() => gate.remove([login]))
}

test('a device that logged in again before its removal is repeated is not offline', async () => {
  const elsewhere = (login: PresentDevice) =>
    presence.login([{ ...login, gate_id: 'g2', login_number: login.login_number + 1 }])
  assert.deepEqual(await interrupted('after', elsewhere), [false])
  assert.equal((await presence.of([lastUser])).get(lastUser)?.length, 1)
  await assertNothingLeft()
})

test('a device that somebody else has removed before the repetition is told by that one', async () => {
  const kick = async (login: PresentDevice) => assert.deepEqual(await presence.remove([login]), [true])
  assert.deepEqual(await interrupted('before', kick), [false])
  await assertNothingLeft()
})

for (const [state, isGone, answer] of [
  ['had been taken offline', true, 'returned'],
  ['was online all the time', false, 'kept'],
] as const)
  test(`of a device that ${state} a registration says so whose first answer was lost`, async () => {
    await gate.register([])
    const login = await online()
    if (isGone) await redis.del(keys.presence(login.user_id))
    const cut = proxy.cutNext('after', keys.presence(login.user_id))
    await assert.rejects(gate.register([login]))
    await cut
    assert.deepEqual(await again(() => gate.register([login])), [answer])
    assert.deepEqual(await gate.register([login]), ['kept'])
    assert.deepEqual((await presence.of([login.user_id])).get(login.user_id), [login])
    assert.deepEqual(await gate.remove([login]), [true])
    await gate.announced([login])
    await assertNothingLeft()
  })

test('what was removed by a gate that died before it heard of it is told by the sweep', async () => {
  await warmUp()
  const login = await online()
  const cut = proxy.cutNext('after', keys.presence(login.user_id))
  await assert.rejects(gate.remove([login]))
  await cut
  const sweep = createOfflineSweep({ redis, keys, policy, announcedWithin_ms: 0 })
  const { removed } = await sweep.takeOffline(identity, 10)
  assert.deepEqual(
    removed.map(({ user_id }) => user_id),
    [login.user_id],
  )
  await sweep.announced(identity, removed)
  assert.equal(await redis.exists(keys.gateLogins(identity)), 0)
})
