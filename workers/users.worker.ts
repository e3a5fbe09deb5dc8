/** An app server's call about users is answered; a change is made once, and closes the devices that it shuts out. */
import { createHash } from 'node:crypto'
import { CIM, type coffeechat } from '../proto/index.js'
import { topics } from '../schemas/topics.js'
import { parseUserCall, type UserAnswer, type UserCall } from '../schemas/user-operations.js'
import { httpAnswer } from './kit/answers.js'
import { callIn, httpRefusal, lookUp, unknownCall } from './kit/calls.js'
import { kickNotify } from './kit/kicks.js'
import { presenceChanged } from './kit/presence-events.js'
import { answerOfDesk, type DeskPorts, settingsKept } from './kit/push-desk.js'
import { defineWorker, type EmitOf, save } from './kit/worker.js'
import type { Presence, PresentDevice } from './ports/presence.js'
import type {
  ChangeRequest,
  ChangeResult,
  PhoneCache,
  User,
  UserChange,
  UserChanges,
  UserDirectory,
} from './ports/users.js'

import Reason = CIM.Def.CIMKickReason

type Requested = coffeechat.event.IUserRequested

interface Ports extends DeskPorts {
  readonly users: UserDirectory
  readonly userChanges: UserChanges
  readonly presence: Presence
  readonly phones: PhoneCache
}

interface Loaded {
  readonly users: ReadonlyMap<number, User>
  readonly devices: ReadonlyMap<number, readonly PresentDevice[]>
  /** Answers to questions about notifications. */
  readonly desk: ReadonlyMap<Requested, UserAnswer>
}

/** A change on its way into the tables. */
interface Row {
  readonly event: Requested
  readonly call: UserCall
  readonly request: ChangeRequest
  readonly change: UserChange
}

interface Saved {
  readonly result: ChangeResult
  readonly kicked: readonly PresentDevice[]
  /** Of the kicked ones, those whose end businesses have yet to hear of. */
  readonly ended: readonly PresentDevice[]
}

type Answer = EmitOf<typeof topics.gateOutbound>

export const users = defineWorker({
  name: 'users',
  consumes: topics.requestUser,
  produces: [topics.gateOutbound, topics.presenceChanged],

  async load(events: readonly Requested[], ports: Ports): Promise<Loaded> {
    const { users, presence } = ports
    const idsOf = (some: readonly Requested[]) =>
      some.map(({ origin }) => origin.user_id).filter((id) => id > 0)
    const aboutDevices = events.filter(({ operation }) => operation === 'devices')
    const [known, devices, desk] = await Promise.all([
      users.of(idsOf(events)),
      presence.of(idsOf(aboutDevices)),
      loadDesk(events, ports),
    ])
    return { users: known, devices, desk }
  },

  decide(event, loaded) {
    const call = parsed(event)
    if (typeof call === 'string') return unknownCall(event, call)
    const change = changeOf(call)
    return change === undefined
      ? [answerFrom(event, call, loaded)]
      : [save({ event, call, request: requestOf(event), change })]
  },

  save: saveAll,

  saved: (row: Row, { result, kicked, ended }: Saved) => [
    answerAfter(row, result),
    ...kicked.map((device) => kickNotify(device, kickReason(row.call) ?? Reason.kCIM_KICK_REASON_ADMIN)),
    ...ended.map((device) => presenceChanged(device, 'kicked', row.event.time)),
  ],
})

const loadDesk = (
  events: readonly Requested[],
  ports: DeskPorts,
): Promise<ReadonlyMap<Requested, UserAnswer>> =>
  lookUp(events, async (event) => {
    const call = parsed(event)
    return typeof call === 'string' ? undefined : answerOfDesk(call, ports)
  })

const parsed = (event: Requested): UserCall | string => callIn(event, parseUserCall)

/** A repeated record is the same HTTP request; with an Idempotency-Key, another request is the same as well. */
const requestOf = ({
  origin,
  idempotency_key,
  operation,
  arguments: json,
  time,
}: Requested): ChangeRequest => ({
  key: idempotency_key
    ? `key:${idempotency_key}`
    : `request:${origin.gate_id}:${origin.gate_epoch}:${origin.connection_id}`,
  digest: createHash('sha256').update(`${operation}\n${json}`).digest('base64url'),
  time,
})

/** What a call changes; undefined when it only asks. */
function changeOf({ operation, arguments: given }: UserCall): UserChange | undefined {
  switch (operation) {
    case 'create':
      return { kind: 'create', users: [given] }
    case 'import':
      return { kind: 'create', users: given.users }
    case 'update':
      return { kind: 'update', user_id: given.user_id, profile: given.profile }
    case 'deactivate':
    case 'rotate-token':
    case 'kick':
      return { kind: operation, user_id: given.user_id }
    case 'set-push-token': {
      const { user_id, client_type, device_id, provider, token } = given
      const device = { client_type, device_id: device_id ?? null }
      return { kind: operation, push: { user_id, device, provider, token } }
    }
    case 'delete-push-tokens': {
      const { user_id, ...which } = given
      return { kind: operation, user_id, which }
    }
    case 'set-push-settings':
      return { kind: operation, user_id: given.user_id, settings: settingsKept(given.settings) }
    default:
      return undefined
  }
}

/** Why a call closes devices; undefined when it closes none. */
function kickReason({ operation }: UserCall): Reason | undefined {
  if (operation === 'kick') return Reason.kCIM_KICK_REASON_ADMIN
  if (operation === 'rotate-token') return Reason.kCIM_KICK_REASON_TOKEN_REVOKED
  if (operation === 'deactivate') return Reason.kCIM_KICK_REASON_USER_DEACTIVATED
  return undefined
}

const changesPhones: ReadonlySet<string> = new Set(['set-push-token', 'delete-push-tokens', 'deactivate'])

/**
 * Presence is read after COMMIT, so that a login with the old token cannot slip in between unseen; who is to be
 * kicked is recorded before presence forgets them, so that a repetition kicks the same ones again, and no later login.
 */
async function saveAll(rows: readonly Row[], { userChanges, presence, phones }: Ports): Promise<Saved[]> {
  const results = await userChanges.apply(rows)
  const closing = rows.filter((row, at) => kickReason(row.call) !== undefined && results[at]?.users.length)
  const present = await presence.of(closing.map(({ event }) => event.origin.user_id))
  const kicksOf = (row: Row, result: ChangeResult): readonly PresentDevice[] =>
    closing.includes(row)
      ? (result.kicked ??
        (present.get(row.event.origin.user_id) ?? []).filter((each) => isMeant(row.call, each)))
      : []
  const saved = rows.map((row, at) => {
    const result = results[at] as ChangeResult
    return { result, kicked: kicksOf(row, result), key: row.request.key }
  })
  const first = saved.filter(({ result, kicked }) => kicked.length > 0 && result.kicked === undefined)
  if (first.length > 0) await userChanges.recordKicks(first)
  const all = saved.flatMap(({ kicked }) => kicked)
  const removed = all.length > 0 ? await presence.remove(all) : []
  const gone = new Set(all.filter((_, at) => removed[at]))
  const changedPhones = rows.filter(({ change }) => changesPhones.has(change.kind))
  if (changedPhones.length > 0) await phones.forget(changedPhones.map(({ event }) => event.origin.user_id))
  return saved.map(({ result, kicked }) => ({
    result,
    kicked,
    // In a repetition they are gone already, and the attempt before may have died without a word.
    ended: result.kicked === undefined ? kicked.filter((each) => gone.has(each)) : kicked,
  }))
}

const isMeant = (call: UserCall, { device }: PresentDevice): boolean =>
  call.operation !== 'kick' ||
  call.arguments.client_type === undefined ||
  call.arguments.client_type === device.client_type

/** What was asked is answered from what was loaded. */
function answerFrom(event: Requested, call: UserCall, { users, devices, desk }: Loaded): Answer {
  const user = users.get(event.origin.user_id)
  if (call.operation === 'check-token') return answerCheck(event, call.arguments.version, user)
  if (user === undefined) return notFound(event)
  if (call.operation === 'devices')
    return ok(event, 200, { devices: (devices.get(user.user_id) ?? []).map(deviceShown) })
  const found = desk.get(event)
  if (found !== undefined) return ok(event, 200, found)
  if (call.operation === 'deliveries')
    return httpRefusal(event, 404, 'MESSAGE_NOT_FOUND', `user ${user.user_id} sent no such message`)
  return ok(event, 200, { user: userShown(user), token_version: user.token_version })
}

function answerCheck(event: Requested, version: number, user: User | undefined): Answer {
  if (user === undefined || user.token_version !== version)
    return httpRefusal(event, 401, 'UNAUTHORIZED', 'the token is not valid')
  if (!user.active) return httpRefusal(event, 403, 'USER_DEACTIVATED', 'this user is deactivated')
  return ok(event, 200, {})
}

/** What was changed is answered from the change. */
function answerAfter({ event, call }: Row, { kind, users }: ChangeResult): Answer {
  if (kind === 'key-reused')
    return httpRefusal(event, 409, 'IDEMPOTENCY_KEY_REUSED', 'this Idempotency-Key was used for another call')
  if (call.operation === 'import') {
    const results = call.arguments.users.map(({ user_id }) => importResult(user_id, users))
    return ok(event, 200, { results })
  }
  const [user] = users
  if (user === undefined)
    return call.operation === 'create'
      ? httpRefusal(event, 409, 'USER_EXISTS', 'there is a user with this id', 'user_id')
      : notFound(event)
  const status = call.operation === 'create' ? 201 : 200
  return ok(event, status, { user: userShown(user), token_version: user.token_version })
}

const importResult = (userId: number, created: readonly User[]) => {
  const user = created.find(({ user_id }) => user_id === userId)
  return user === undefined
    ? { user_id: String(userId), status: 'exists' as const }
    : { user_id: String(userId), status: 'created' as const, token_version: user.token_version }
}

const ok = ({ origin }: Requested, status: number, answer: UserAnswer): Answer =>
  httpAnswer(origin, status, answer)

const notFound = (event: Requested): Answer =>
  httpRefusal(event, 404, 'USER_NOT_FOUND', `there is no user ${event.origin.user_id}`)

const userShown = (user: User) => ({
  user_id: String(user.user_id),
  nick_name: user.nick_name,
  avatar_url: user.avatar_url,
  attach_info: user.attach_info,
  robot: user.robot_webhook ? { webhook: user.robot_webhook } : null,
  active: user.active,
  created: user.created,
  updated: user.updated,
})

const deviceShown = ({ device, gate_id, client_version, since }: PresentDevice) => ({
  client_type: device.client_type,
  ...(device.device_id ? { device_id: device.device_id } : {}),
  gate_id,
  ...(client_version === undefined ? {} : { client_version }),
  since,
})
