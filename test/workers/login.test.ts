/** What login decides and answers, by tables: pure, no broker. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CIM, coffeechat } from '../../proto/index.js'
import { deviceKey, parseDeviceKey } from '../../schemas/ids.js'
import { commandName } from '../../schemas/packets.js'
import { login as worker } from '../../workers/login.worker.js'
import type { LoginResult, PresentDevice } from '../../workers/ports/presence.js'
import type { User } from '../../workers/ports/users.js'

import event = coffeechat.event

type Ports = Parameters<NonNullable<typeof worker.save>>[1]
type Row = Parameters<NonNullable<typeof worker.save>>[0][number]

const codes = CIM.Def.CIMErrorCode
const place = { topic: 'request.login', partition: 0, offset: 41, appended: 1_700_000_000_999 }

const origin: event.IOrigin = {
  gate_id: 'g1',
  gate_epoch: 5,
  connection_id: 77,
  login_number: 0,
  user_id: 1,
  device: { client_type: 2, device_id: 'phone' },
  seq_num: 3,
}

const user: User = {
  user_id: 1,
  nick_name: 'Ann',
  avatar_url: 'https://a/ann.png',
  attach_info: null,
  token_version: 2,
  active: true,
  created: 0,
  updated: 0,
}

const request = (more: Partial<CIM.Login.ICIMAuthTokenReq> = {}): event.ILoginRequested => ({
  origin,
  login: { user_id: 1, nick_name: 'Ann', user_token: '1.2', client_type: 2, device_id: 'phone', ...more },
  remote_address: '10.0.0.1',
  time: 1,
})

/** A token is `user.version`. */
const tokens: Ports['tokens'] = {
  sign: (id, version) => `${id}.${version}`,
  verify(token) {
    const [user_id, version] = token.split('.').map(Number)
    return user_id && version ? { user_id, version } : undefined
  },
}

const decide = (asked: event.ILoginRequested, known: User[] = [user], minClientVersion?: string) =>
  worker.decide(
    asked,
    { users: new Map(known.map((each) => [each.user_id, each])), tokens, minClientVersion },
    place,
  )

const rowOf = (outcomes: ReturnType<typeof decide>): Row => {
  const [only] = outcomes
  assert.ok(outcomes.length === 1 && only?.kind === 'save', 'one row')
  return only.row
}

type Emitted = ReturnType<NonNullable<typeof worker.saved>>

/** What was emitted, readable: packets with their gate, target and body, and events. */
const told = (emitted: readonly { kind: string }[]) =>
  (emitted as Emitted).map((each) => {
    if (each.topic.name === 'presence.changed') {
      const { user_id, client_type, state } = each.event as {
        user_id: string
        client_type: number
        state: string
      }
      return `${state} ${user_id}/${client_type}`
    }
    const { packet } = each.event as event.IOutbound
    const [only] = packet ?? []
    const [target] = only?.target ?? []
    const name = commandName(only?.command_id ?? 0)
    return `${name} to ${each.instance}/${target?.connection_id}/${target?.login_number} seq ${target?.seq_num ?? 'own'}${only?.close ? ', close' : ''}${only?.delay_ms ? `, after ${only.delay_ms}` : ''}`
  })

const answerOf = (emitted: readonly { kind: string }[]) => {
  const bodies = (emitted as Emitted).flatMap((each) => (each.event as event.IOutbound).packet ?? [])
  const packet = bodies.find(({ command_id }) => commandName(command_id ?? 0) === 'AUTH_TOKEN_RSP')
  assert.ok(packet)
  return { packet, body: CIM.Login.CIMAuthTokenRsp.decode(packet.body) }
}

const ports = (over: Partial<Ports> = {}): Ports => ({
  users: { of: async () => new Map([[user.user_id, user]]) },
  tokens,
  minClientVersion: undefined,
  presence: {
    of: async () => new Map(),
    login: async (logins) => logins.map(() => ({ accepted: true, replaced: [], ended: [] })),
    remove: async (logins) => logins.map(() => true),
  },
  devices: { loggedIn: async () => {}, loggedOut: async () => {} },
  failures: { count: async (failures) => failures.map(() => 1) },
  ...over,
})

const run = async (rows: Row[], given = ports()) => {
  const saved = await worker.save!(
    rows,
    given,
    rows.map(() => place),
  )
  return rows.flatMap((row, at) => worker.saved!(row, saved[at]!))
}

const device = (key: string, login_number: number, gate_id = 'g9'): PresentDevice => ({
  user_id: 1,
  device: parseDeviceKey(key),
  gate_id,
  gate_epoch: 4,
  connection_id: 900 + login_number,
  login_number,
  since: 0,
})

test('a right token asks for its place: the offset is the login number', () => {
  const row = rowOf(decide(request({ client_version: '1.2' })))
  assert.ok(row.kind === 'login')
  assert.deepEqual(row.login, {
    user_id: 1,
    device: { client_type: 2, device_id: 'phone' },
    gate_id: 'g1',
    gate_epoch: 5,
    connection_id: 77,
    login_number: 41,
    since: place.appended,
    client_version: '1.2',
  })
})

test('a token that is rotated while its login is judged is refused, and leaves no presence', async () => {
  const removed: number[] = []
  const given = ports()
  const rotated = { ...user, token_version: user.token_version + 1 }
  const emitted = await run([rowOf(decide(request()))], {
    ...given,
    users: { of: async () => new Map([[user.user_id, rotated]]) },
    presence: {
      ...given.presence,
      remove: async (logins) => {
        removed.push(...logins.map(({ login_number }) => login_number))
        return logins.map(() => true)
      },
    },
  })
  assert.equal(answerOf(emitted).body.result_code, codes.kCIM_ERR_LOGIN_INVALID_USER_TOKEN)
  assert.deepEqual(removed, [place.offset])
})

const wrong: [string, Partial<CIM.Login.ICIMAuthTokenReq>, User[]][] = [
  ['a token that does not verify', { user_token: 'rubbish' }, [user]],
  ['a token of another user', { user_token: '9.2' }, [user]],
  ['a token that was rotated', { user_token: '1.1' }, [user]],
  ['an unknown user', {}, []],
  ['a wrong token of a deactivated user', { user_token: '1.1' }, [{ ...user, active: false }]],
  ['a wrong token of an old client', { user_token: '1.1', client_version: '0.1' }, [user]],
]
for (const [what, sent, known] of wrong)
  test(`${what} is refused as INVALID_USER_TOKEN, alike`, async () => {
    const row = rowOf(decide(request(sent), known, '1.0'))
    assert.deepEqual(row, { kind: 'wrong-token', origin, address: '10.0.0.1', time: place.appended })
    const emitted = await run([row])
    assert.deepEqual(told(emitted), ['AUTH_TOKEN_RSP to g1/77/0 seq 3, close'])
    assert.equal(answerOf(emitted).body.result_code, codes.kCIM_ERR_LOGIN_INVALID_USER_TOKEN)
  })

test('a deactivated user with the right token gets DB_VALIDATE_FAILED, an old version VERSION_TOO_OLD', () => {
  const deactivated = decide(request(), [{ ...user, active: false }])
  assert.equal(answerOf(deactivated).body.result_code, codes.kCIM_ERR_LOGIN_DB_VALIDATE_FAILED)
  assert.deepEqual(told(deactivated), ['AUTH_TOKEN_RSP to g1/77/0 seq 3, close'])
  const old = decide(request({ client_version: '1.9' }), [user], '1.10')
  assert.equal(answerOf(old).body.result_code, codes.kCIM_ERR_LOGIN_VERSION_TOO_OLD)
})

test('free text and a missing version pass any minimum', () => {
  for (const client_version of ['ios-beta', '', null, '1.10', '2'])
    assert.equal(rowOf(decide(request({ client_version }), [user], '1.10')).kind, 'login')
})

test('from the fourth failure in a minute the answer waits 0.5, 1, 2, 4, then 8 s', async () => {
  const waits: (number | null | undefined)[] = []
  for (const failures of [1, 3, 4, 5, 6, 7, 8, 9, 1_000]) {
    const row = rowOf(decide(request({ user_token: 'x' })))
    const emitted = await run([row], ports({ failures: { count: async () => [failures] } }))
    waits.push(answerOf(emitted).packet.delay_ms)
  }
  assert.deepEqual(waits, [0, 0, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000])
})

test('an accepted login is answered with the user, then online is told; the nick name sent is used', async () => {
  const emitted = await run([rowOf(decide(request({ nick_name: 'Annie' })))])
  assert.deepEqual(told(emitted), ['AUTH_TOKEN_RSP to g1/77/0 seq 3', 'online 1/2'])
  const { body, packet } = answerOf(emitted)
  assert.equal(body.result_code, 0)
  assert.equal(body.server_time, 1_700_000_000)
  assert.equal(body.user_info?.nick_name, 'Annie')
  assert.equal(body.user_info?.avatar_url, 'https://a/ann.png')
  assert.deepEqual(packet.target?.[0]?.accepted, {
    login_number: 41,
    user_id: 1,
    device: { client_type: 2, device_id: 'phone' },
    nick_name: 'Annie',
  })
})

test('an empty nick name leaves the one that is stored', () => {
  const row = rowOf(decide(request({ nick_name: '' })))
  assert.ok(row.kind === 'login')
  assert.equal(row.user.nick_name, 'Ann')
})

test('what a login replaced is kicked where it is, what had ended with its gate is only offline', async () => {
  const result: LoginResult = {
    accepted: true,
    replaced: [device('2', 30), device('2:old', 31, 'g1')],
    ended: [device('2:dead', 12)],
  }
  const presence = { ...ports().presence, login: async () => [result] }
  assert.deepEqual(told(await run([rowOf(decide(request()))], ports({ presence }))), [
    'KICK_NOTIFY to g9/930/30 seq own, close',
    'KICK_NOTIFY to g1/931/31 seq own, close',
    'AUTH_TOKEN_RSP to g1/77/0 seq 3',
    'offline 1/2',
    'kicked 1/2',
    'kicked 1/2',
    'online 1/2',
  ])
})

test('a login whose place a newer one holds is kicked, and leaves no trace', async () => {
  const traces: unknown[] = []
  const given = ports({
    presence: { ...ports().presence, login: async () => [{ accepted: false, replaced: [], ended: [] }] },
    devices: { loggedIn: async (logins) => void traces.push(...logins), loggedOut: async () => {} },
  })
  assert.deepEqual(told(await run([rowOf(decide(request()))], given)), [
    'KICK_NOTIFY to g1/77/0 seq own, close',
  ])
  assert.deepEqual(traces, [])
})

const logout: event.ILoginRequested = {
  origin: { ...origin, login_number: 30 },
  logout: { user_id: 1, client_type: 2 },
  time: 1,
}

test('a logout is answered and closed, the device logged out', async () => {
  assert.deepEqual(told(await run([rowOf(decide(logout))])), [
    'LOGOUT_RSP to g1/77/30 seq 3, close',
    'logged_out 1/2',
  ])
})

test('a logout of a login that was replaced is answered and changes nothing', async () => {
  const loggedOut: unknown[] = []
  const presence = {
    ...ports().presence,
    remove: async () => [false],
    of: async () => new Map([[1, [device('2:phone', 40)]]]),
  }
  const devices = {
    ...ports().devices,
    loggedOut: async (all: readonly unknown[]) => void loggedOut.push(...all),
  }
  assert.deepEqual(told(await run([rowOf(decide(logout))], ports({ presence, devices }))), [
    'LOGOUT_RSP to g1/77/30 seq 3, close',
  ])
  assert.deepEqual(loggedOut, [])
})

test('a repeated logout tells the same again', async () => {
  const presence = { ...ports().presence, remove: async () => [false] }
  assert.deepEqual(told(await run([rowOf(decide(logout))], ports({ presence }))), [
    'LOGOUT_RSP to g1/77/30 seq 3, close',
    'logged_out 1/2',
  ])
})

test('logouts and logins of a batch are saved in order', async () => {
  const calls: string[] = []
  const presence: Ports['presence'] = {
    of: async () => new Map(),
    async login(logins) {
      calls.push(...logins.map((each) => `in ${deviceKey(each.device)}`))
      return logins.map(() => ({ accepted: true, replaced: [], ended: [] }))
    },
    async remove(logins) {
      calls.push(...logins.map((each) => `out ${deviceKey(each.device)}`))
      return logins.map(() => true)
    },
  }
  const [a, b] = [rowOf(decide(request())), rowOf(decide(request({ client_type: 3, device_id: null })))]
  const emitted = await run([a, rowOf(decide(logout)), b], ports({ presence }))
  assert.deepEqual(calls, ['in 2:phone', 'out 2:phone', 'in 3'])
  assert.deepEqual(told(emitted).at(-1), 'online 1/3')
})

test('an event that is no request, or keyed by another user, is rejected', () => {
  assert.equal(decide({ origin, time: 1 })[0]?.kind, 'reject')
  assert.equal(decide(request({ user_id: 2 }))[0]?.kind, 'reject')
})
