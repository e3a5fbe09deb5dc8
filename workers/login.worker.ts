/**
 * Logins and logouts (spec 2, "Login, presence, kick"). The offset of a login's record is its number: presence is
 * given to the highest one of a place, and what a login replaces is kicked. Presence is written before the answer.
 */
import { CIM, coffeechat } from '../proto/index.js'
import { type DeviceName, deviceKey } from '../schemas/ids.js'
import { commands } from '../schemas/packets.js'
import { topics } from '../schemas/topics.js'
import { answer, targetOf } from './kit/answers.js'
import { kickNotify } from './kit/kicks.js'
import { presenceChanged } from './kit/presence-events.js'
import { isOlder } from './kit/versions.js'
import { defineWorker, type Place, reject, save } from './kit/worker.js'
import type { LoginFailures, LoginResult, Presence, PresentDevice } from './ports/presence.js'
import type { DeviceStore, TokenSigner, User, UserDirectory } from './ports/users.js'

import event = coffeechat.event

const { kCIM_ERR_SUCCSSE, kCIM_ERR_LOGIN_DB_VALIDATE_FAILED } = CIM.Def.CIMErrorCode
const { kCIM_ERR_LOGIN_VERSION_TOO_OLD, kCIM_ERR_LOGIN_INVALID_USER_TOKEN } = CIM.Def.CIMErrorCode
const { kCIM_KICK_REASON_SAME_DEVICE_LOGIN } = CIM.Def.CIMKickReason

interface Ports {
  readonly users: UserDirectory
  readonly tokens: TokenSigner
  /** Dotted numbers; undefined: any version is welcome. */
  readonly minClientVersion: string | undefined
  readonly presence: Presence
  readonly devices: DeviceStore
  readonly failures: LoginFailures
}

interface Loaded {
  readonly users: ReadonlyMap<number, User>
  readonly tokens: TokenSigner
  readonly minClientVersion: string | undefined
}

/** A right token of an active user: it may have its place in presence. */
interface LoginRow {
  readonly kind: 'login'
  readonly origin: event.IOrigin
  readonly login: PresentDevice
  /** With the nick name that was sent, unless that is empty. */
  readonly user: User
  readonly time: number
}

interface WrongTokenRow {
  readonly kind: 'wrong-token'
  readonly origin: event.IOrigin
  readonly address: string | undefined
  readonly time: number
}

interface LogoutRow {
  readonly kind: 'logout'
  readonly origin: event.IOrigin
  readonly time: number
}

type Row = LoginRow | WrongTokenRow | LogoutRow

type Saved =
  | { readonly kind: 'login'; readonly row: LoginRow; readonly result: LoginResult }
  /** The token was rotated, or the user deactivated, while the login was judged. */
  | { readonly kind: 'shut-out'; readonly row: LoginRow }
  | { readonly kind: 'wrong-token'; readonly row: WrongTokenRow; readonly failures: number }
  /** `left`: no newer login has this device's place. */
  | { readonly kind: 'logout'; readonly row: LogoutRow; readonly left: boolean }

export const login = defineWorker({
  name: 'login',
  consumes: topics.requestLogin,
  produces: [topics.gateOutbound, topics.presenceChanged],

  async load(requests, { users, tokens, minClientVersion }: Ports): Promise<Loaded> {
    return { users: await users.of(requests.map(({ origin }) => origin.user_id)), tokens, minClientVersion }
  },

  decide(request, loaded, place) {
    const { origin, login, logout, remote_address } = request
    const time = place.appended
    if (login) {
      if (login.user_id !== origin.user_id) return [reject('keyed by a user other than who logs in')]
      const code = judge(login, loaded)
      const user = loaded.users.get(login.user_id)
      if (code === kCIM_ERR_LOGIN_INVALID_USER_TOKEN || user === undefined)
        return [save<Row>({ kind: 'wrong-token', origin, address: remote_address ?? undefined, time })]
      if (code !== kCIM_ERR_SUCCSSE) return [refusal(origin, code, time)]
      return [
        save<Row>({
          kind: 'login',
          origin,
          login: presentDevice(origin, login, place),
          user: { ...user, nick_name: login.nick_name || user.nick_name },
          time,
        }),
      ]
    }
    if (logout) return [save<Row>({ kind: 'logout', origin, time })]
    return [reject('neither a login nor a logout')]
  },

  async save(rows, ports: Ports): Promise<readonly Saved[]> {
    const saved: Saved[] = []
    // In order: who logs out and in again at once must not be kicked by that.
    for (const run of runsOfOneKind(rows)) saved.push(...(await saveRun(run, ports)))
    return saved
  },

  saved(_, saved: Saved) {
    switch (saved.kind) {
      case 'login':
        return loggedIn(saved.row, saved.result)
      case 'shut-out':
        return [refusal(saved.row.origin, kCIM_ERR_LOGIN_INVALID_USER_TOKEN, saved.row.time)]
      case 'wrong-token':
        return [
          refusal(saved.row.origin, kCIM_ERR_LOGIN_INVALID_USER_TOKEN, saved.row.time, {
            delay_ms: backoff_ms(saved.failures),
          }),
        ]
      case 'logout':
        return loggedOut(saved.row, saved.left)
    }
  },
})

/** Wrong token and unknown user are told alike; only who has the right token learns more. */
function judge(login: CIM.Login.ICIMAuthTokenReq, loaded: Loaded): CIM.Def.CIMErrorCode {
  const user = loaded.users.get(login.user_id)
  const signed = loaded.tokens.verify(login.user_token)
  const isRight = signed?.user_id === login.user_id && signed.version === user?.token_version
  if (!isRight) return kCIM_ERR_LOGIN_INVALID_USER_TOKEN
  if (!user.active) return kCIM_ERR_LOGIN_DB_VALIDATE_FAILED
  if (isOlder(login.client_version, loaded.minClientVersion)) return kCIM_ERR_LOGIN_VERSION_TOO_OLD
  return kCIM_ERR_SUCCSSE
}

const deviceOf = ({ client_type, device_id }: CIM.Login.ICIMAuthTokenReq): DeviceName =>
  device_id ? { client_type, device_id } : { client_type }

const presentDevice = (
  { gate_id, gate_epoch, connection_id, user_id }: event.IOrigin,
  login: CIM.Login.ICIMAuthTokenReq,
  place: Place,
): PresentDevice => ({
  user_id,
  device: deviceOf(login),
  gate_id,
  gate_epoch,
  connection_id,
  login_number: place.offset,
  since: place.appended,
  ...(login.client_version ? { client_version: login.client_version } : {}),
})

const freeFailures = 3
const longestBackoff_ms = 8_000

/** From the 4th failure in a minute the answer waits 0.5, 1, 2, 4, then 8 s (spec 2, login 2). */
const backoff_ms = (failures: number): number =>
  failures <= freeFailures ? 0 : Math.min(500 * 2 ** (failures - freeFailures - 1), longestBackoff_ms)

const seconds = (time_ms: number): number => Math.floor(time_ms / 1_000)

const reasons: Partial<Record<CIM.Def.CIMErrorCode, string>> = {
  [kCIM_ERR_LOGIN_DB_VALIDATE_FAILED]: 'this user is deactivated',
  [kCIM_ERR_LOGIN_VERSION_TOO_OLD]: 'this client version is no longer served',
  [kCIM_ERR_LOGIN_INVALID_USER_TOKEN]: 'the user or the token is wrong',
}

/** The answer to a login that is refused; then the connection is closed. */
const refusal = (
  origin: event.IOrigin,
  result_code: CIM.Def.CIMErrorCode,
  time: number,
  more: Partial<event.IOutboundPacket> = {},
) =>
  answer(
    origin,
    commands.AUTH_TOKEN_RSP,
    { server_time: seconds(time), result_code, result_string: reasons[result_code] ?? '' },
    { close: true, ...more },
  )

function* runsOfOneKind(rows: readonly Row[]): Generator<Row[]> {
  let run: Row[] = []
  for (const row of rows) {
    if (run.length > 0 && run[0]?.kind !== row.kind) {
      yield run
      run = []
    }
    run.push(row)
  }
  if (run.length > 0) yield run
}

const isLogin = (row: Row): row is LoginRow => row.kind === 'login'
const isWrongToken = (row: Row): row is WrongTokenRow => row.kind === 'wrong-token'
const isLogout = (row: Row): row is LogoutRow => row.kind === 'logout'

/** @param rows all of one kind: two of these three do nothing */
const saveRun = async (rows: readonly Row[], ports: Ports): Promise<Saved[]> => [
  ...(await saveLogins(rows.filter(isLogin), ports)),
  ...(await countFailures(rows.filter(isWrongToken), ports)),
  ...(await saveLogouts(rows.filter(isLogout), ports)),
]

async function saveLogins(rows: readonly LoginRow[], ports: Ports): Promise<Saved[]> {
  if (rows.length === 0) return []
  const results = await ports.presence.login(rows.map((row) => row.login))
  const accepted = rows.filter((_, at) => results[at]?.accepted)
  await ports.devices.loggedIn(
    accepted.map(({ login, user, time }) => ({
      user_id: login.user_id,
      device: login.device,
      nick_name: user.nick_name,
      time,
    })),
  )
  const shutOut = await withoutRight(accepted, ports)
  return rows.map((row, at) =>
    shutOut.has(row) ? { kind: 'shut-out', row } : { kind: 'login', row, result: results[at]! },
  )
}

/**
 * Logins whose right ended after it was read: their presence is taken back. Who rotates a token kicks the devices
 * that are present then; only a second look, after presence was written, finds a login that came between the two.
 */
async function withoutRight(rows: readonly LoginRow[], { users, presence }: Ports): Promise<Set<LoginRow>> {
  const now = await users.of(rows.map(({ login }) => login.user_id))
  const shutOut = rows.filter(({ login, user }) => {
    const current = now.get(login.user_id)
    return !current?.active || current.token_version !== user.token_version
  })
  if (shutOut.length > 0) await presence.remove(shutOut.map(({ login }) => login))
  return new Set(shutOut)
}

async function countFailures(rows: readonly WrongTokenRow[], { failures }: Ports): Promise<Saved[]> {
  if (rows.length === 0) return []
  const counts = await failures.count(
    rows.map(({ origin, address }) => ({ user_id: origin.user_id, address })),
  )
  return rows.map((row, at) => ({ kind: 'wrong-token', row, failures: counts[at] ?? 0 }))
}

async function saveLogouts(rows: readonly LogoutRow[], { presence, devices }: Ports): Promise<Saved[]> {
  if (rows.length === 0) return []
  const removed = await presence.remove(rows.map(({ origin }) => origin))
  // Not there any more: done before (the batch is repeated), or the connection broke, or a newer login has its place.
  const present = await presence.of(
    rows.filter((_, at) => removed[at] !== true).map(({ origin }) => origin.user_id),
  )
  const saved = rows.map((row, at) => ({
    kind: 'logout' as const,
    row,
    left: removed[at] === true || !isHeld(row.origin, present.get(row.origin.user_id) ?? []),
  }))
  await devices.loggedOut(saved.filter(({ left }) => left).map(({ row }) => row.origin))
  return saved
}

const isHeld = ({ device }: event.IOrigin, present: readonly PresentDevice[]): boolean =>
  present.some((other) => deviceKey(other.device) === deviceKey(device))

function loggedIn({ origin, login, user, time }: LoginRow, { accepted, replaced, ended }: LoginResult) {
  // A newer login was quicker to its place.
  if (!accepted)
    return [kickNotify({ ...login, login_number: origin.login_number }, kCIM_KICK_REASON_SAME_DEVICE_LOGIN)]
  const { user_id, device, login_number } = login
  const { nick_name, avatar_url, attach_info } = user
  return [
    ...replaced.map((device) => kickNotify(device, kCIM_KICK_REASON_SAME_DEVICE_LOGIN)),
    answer(
      origin,
      commands.AUTH_TOKEN_RSP,
      {
        server_time: seconds(time),
        result_code: kCIM_ERR_SUCCSSE,
        user_info: {
          user_id,
          nick_name,
          ...(attach_info === null ? {} : { attach_info }),
          ...(avatar_url === null ? {} : { avatar_url }),
        },
      },
      { target: [{ ...targetOf(origin), accepted: { login_number, user_id, device, nick_name } }] },
    ),
    ...ended.map((device) => presenceChanged(device, 'offline', time)),
    ...replaced.map((device) => presenceChanged(device, 'kicked', time)),
    presenceChanged(login, 'online', time),
  ]
}

const loggedOut = ({ origin, time }: LogoutRow, left: boolean) => [
  answer(origin, commands.LOGOUT_RSP, { result_code: kCIM_ERR_SUCCSSE }, { close: true }),
  ...(left ? [presenceChanged(origin, 'logged_out', time)] : []),
]
