/**
 * A business asks for a push: its receivers are found, it is stored under its push_id, and goes out in parts
 * (spec 3, "For businesses"). What cannot be served is told on push.result, unknown users one by one.
 */
import { createHash } from 'node:crypto'
import { CIM } from '../proto/index.js'
import { type AnswerTo, contentOf, type PushRequestJson } from '../schemas/business-events.js'
import { topics } from '../schemas/topics.js'
import { httpAnswer } from './kit/answers.js'
import { errorBody } from './kit/calls.js'
import { pushResult, pushToEveryone } from './kit/pushes.js'
import { defineWorker, type EmitOf, emit, type Place, save } from './kit/worker.js'
import type { GroupDirectory } from './ports/groups.js'
import type { Everyone, OnlineUsers, Pushes, PushOpened, PushOpening } from './ports/pushes.js'
import type { User, UserDirectory } from './ports/users.js'

interface Ports {
  readonly pushes: Pushes
  readonly users: UserDirectory
  readonly groups: GroupDirectory
  readonly online: OnlineUsers
  /** How long a push without a ttl waits for who is offline, ms. */
  readonly pushKept_ms: number
}

interface Loaded {
  readonly users: ReadonlyMap<number, User>
  /** Members of the groups that are there. */
  readonly members: ReadonlyMap<number, readonly number[]>
  readonly online: Everyone
  readonly pushKept_ms: number
}

interface Row extends PushOpening {
  readonly receivers: readonly number[]
  /** The gates of a push to everyone online. */
  readonly gates: readonly string[] | undefined
  readonly answer_to: AnswerTo | undefined
}

type Produced =
  | typeof topics.pushFanout
  | typeof topics.pushBroadcast
  | typeof topics.pushResult
  | typeof topics.gateOutbound

const nobody: Everyone = { users: [], gates: [] }
const receiversPerChunk = 500
const membersPerPage = 5_000

export const s2cPush = defineWorker({
  name: 's2c-push',
  consumes: topics.pushRequested,
  produces: [topics.pushFanout, topics.pushBroadcast, topics.pushResult, topics.gateOutbound],

  async load(events, { users, groups, online, pushKept_ms }: Ports): Promise<Loaded> {
    const named = events.flatMap((event) => (event.kind === 'request' ? event.request.to : []))
    const userIds = named.flatMap(({ user_ids }) => user_ids ?? []).map(Number)
    const groupIds = named.flatMap(({ group_id }) => (group_id === undefined ? [] : Number(group_id)))
    const [known, members, everyone] = await Promise.all([
      users.of(userIds),
      membersOf([...new Set(groupIds)], groups),
      named.some((to) => to.online) ? online.all() : nobody,
    ])
    return { users: known, members, online: everyone, pushKept_ms }
  },

  decide(event, loaded, place) {
    const time = place.appended
    if (event.kind === 'faulty')
      return [pushResult(event.push_id, undefined, 'rejected', { time, reason: event.reason })]
    const { request, answer_to } = event
    const { group_id } = request.to
    if (group_id !== undefined && !loaded.members.has(Number(group_id))) {
      const reason = `there is no group ${group_id}`
      return [
        pushResult(request.push_id, undefined, 'rejected', { time, reason }),
        ...answered(answer_to, 404, errorBody('GROUP_NOT_EXIST', reason)),
      ]
    }
    return [save(rowOf(request, answer_to, loaded, place))]
  },

  save: (rows: readonly Row[], { pushes }: Ports) => pushes.open(rows),

  saved(row, opened: PushOpened): EmitOf<Produced>[] {
    const { push_id, answer_to, created: time } = row
    if (opened === 'repeated') return answered(answer_to, 200, { push_id })
    if (opened === 'taken') {
      const reason = 'this push_id names another push'
      return [
        pushResult(push_id, undefined, 'rejected', { time, reason }),
        ...answered(answer_to, 409, errorBody('ERROR', reason)),
      ]
    }
    return [
      ...row.rejected.map(({ user_id, reason }) =>
        pushResult(push_id, user_id, 'rejected', { time, reason }),
      ),
      ...chunks(row),
      ...answered(answer_to, 201, { push_id }),
    ]
  },
})

async function membersOf(
  groupIds: readonly number[],
  groups: GroupDirectory,
): Promise<ReadonlyMap<number, readonly number[]>> {
  const found = groupIds.length === 0 ? [] : await groups.of(groupIds)
  const members = new Map<number, readonly number[]>()
  for (const { group_id } of found.filter(({ disbanded }) => !disbanded)) {
    const all: number[] = []
    for (let page = membersPerPage; page === membersPerPage; ) {
      const some = await groups.members({ group_id, after: all.at(-1) ?? 0, limit: membersPerPage })
      all.push(...some.map(({ user_id }) => user_id))
      page = some.length
    }
    members.set(group_id, all)
  }
  return members
}

function rowOf(
  request: PushRequestJson,
  answer_to: AnswerTo | undefined,
  loaded: Loaded,
  { partition, offset, appended }: Place,
): Row {
  const { push_id, push_type, to, offline, title, body, ttl_seconds } = request
  const named = [...new Set(to.user_ids?.map(Number) ?? [])]
  const rejected = named.flatMap((user_id) => {
    const user = loaded.users.get(user_id)
    if (user?.active) return []
    return { user_id, reason: user === undefined ? 'there is no such user' : 'this user is deactivated' }
  })
  const missing = new Set(rejected.map(({ user_id }) => user_id))
  const receivers = to.online
    ? loaded.online.users
    : (loaded.members.get(Number(to.group_id)) ?? named.filter((user) => !missing.has(user)))
  return {
    push_id,
    push_type,
    payload: contentOf(request),
    offline,
    title: title ?? null,
    body: body ?? null,
    created: appended,
    expires: appended + (ttl_seconds === undefined ? loaded.pushKept_ms : ttl_seconds * 1_000),
    place: `${partition}:${offset}`,
    digest: digestOf(request),
    rejected,
    receivers,
    gates: to.online ? loaded.online.gates : undefined,
    answer_to,
  }
}

/** Of what was asked for, however it was written. */
function digestOf(request: PushRequestJson): string {
  const { push_type, to, offline, title, body, ttl_seconds } = request
  const said = [push_type, to.user_ids, to.group_id, to.online, offline, title, body, ttl_seconds]
  return createHash('sha256').update(JSON.stringify(said)).update(contentOf(request)).digest('hex')
}

/** To everyone online it is on its way with the first records; the parts then only write down who was meant. */
function chunks(row: Row): EmitOf<Produced>[] {
  const { push_id, receivers, gates } = row
  const parts: EmitOf<Produced>[] = gates === undefined ? [] : pushToEveryone(row, gates)
  for (let at = 0; at < receivers.length; at += receiversPerChunk) {
    const chunk = { push_id, user_id: receivers.slice(at, at + receiversPerChunk) }
    parts.push(gates ? emit(topics.pushBroadcast, chunk) : emit(topics.pushFanout, chunk))
  }
  return parts
}

/** An app server's call is answered; a record on the bus is not. */
function answered(answer_to: AnswerTo | undefined, status: number, body: object) {
  if (answer_to === undefined) return []
  const device = { client_type: CIM.Def.CIMClientType.kCIM_CLIENT_TYPE_REST_API }
  const origin = { ...answer_to, login_number: 0, user_id: 0, device, seq_num: 0 }
  return [httpAnswer(origin, status, body)]
}
