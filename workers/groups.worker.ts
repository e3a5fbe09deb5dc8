/**
 * A group is made, changed, or asked about (spec 2, "Group chat" 2, 5 and 6). A change is numbered and stored as a
 * NOTIFICATION of its conversation; only after COMMIT it is answered, fanned out, and told to the members' devices.
 */
import { createHash } from 'node:crypto'
import { CIM, type coffeechat } from '../proto/index.js'
import { type GroupCall, parseGroupCall } from '../schemas/group-operations.js'
import { topics } from '../schemas/topics.js'
import { callIn, lookUp, unknownCall } from './kit/calls.js'
import { type Asked, answerChange, answerQuestion, type Found, refuse } from './kit/group-answers.js'
import { fanOut, report, tellMembers, usersToTell } from './kit/group-events.js'
import { tellJoins, usersToAsk } from './kit/group-join-events.js'
import { judge } from './kit/group-rules.js'
import type { GroupLimits } from './kit/group-verdicts.js'
import { defineWorker, save } from './kit/worker.js'
import type { GroupChanges, GroupDirectory, GroupOutcome, GroupRequest, Refusal } from './ports/groups.js'
import type { Presence, PresentDevice } from './ports/presence.js'
import type { NickNames } from './ports/users.js'

type Requested = coffeechat.event.IGroupRequested

const { kCIM_ERR_FORBIDDEN, kCIM_ERR_NOT_FOUND } = CIM.Def.CIMErrorCode

interface Ports {
  readonly groups: GroupDirectory
  readonly groupChanges: GroupChanges
  readonly groupLimits: GroupLimits
  readonly presence: Presence
  readonly nickNames: NickNames
}

/** What each question found, and what changes are measured by. */
interface Loaded {
  readonly found: ReadonlyMap<Requested, Found | Refusal>
  readonly limits: GroupLimits
}

/** A change on its way into the tables. */
interface Row extends Asked {
  readonly request: GroupRequest
}

interface Saved {
  readonly outcome: GroupOutcome
  readonly devices: readonly PresentDevice[]
  /** Only with SEND_NICK_NAME. */
  readonly from_nick_name: string | undefined
}

export const groups = defineWorker({
  name: 'groups',
  consumes: topics.requestGroup,
  produces: [topics.gateOutbound, topics.fanoutRequested, topics.messageStored],

  async load(events: readonly Requested[], { groups, groupLimits }: Ports): Promise<Loaded> {
    const found = await lookUp(events, async (event) => {
      const call = parsed(event)
      return typeof call === 'string' || !isQuestion(call) ? undefined : look({ event, call }, groups)
    })
    return { found, limits: groupLimits }
  },

  decide(event, { found, limits }) {
    const call = parsed(event)
    if (typeof call === 'string') return unknownCall(event, call)
    const asked = { event, call }
    const seen = found.get(event)
    if (seen !== undefined) return ['code' in seen ? refuse(asked, seen) : answerQuestion(asked, seen)]
    return [save({ ...asked, request: requestOf(asked, limits) })]
  },

  save: saveAll,

  // A repeat emits all that a first one does: the first worker may have died between COMMIT and publishing.
  saved: (row: Row, { outcome, devices, from_nick_name }: Saved) => [
    answerChange(row, outcome),
    ...(outcome.kind === 'changed'
      ? [fanOut(row.event.origin, outcome, from_nick_name), report(outcome), ...tellMembers(outcome, devices)]
      : []),
    ...tellJoins(row, outcome, devices),
  ],
})

const parsed = (event: Requested): GroupCall | string => callIn(event, parseGroupCall)

const questions: readonly GroupCall['operation'][] = ['list', 'info', 'get', 'members', 'joins', 'own-joins']
const isQuestion = ({ operation }: GroupCall): boolean => questions.includes(operation)

const noGroup: Refusal = { code: kCIM_ERR_NOT_FOUND, reason: 'there is no such group' }
const nothingFound: Found = { groups: [], versions: [], members: [], joins: [] }
const { kCIM_GROUP_ROLE_ADMIN } = CIM.Group.CIMGroupRole

/** A user sees the groups that they are a member of; an app server sees all. */
async function look({ event, call }: Asked, groups: GroupDirectory): Promise<Found | Refusal> {
  const operator = operatorOf(event)
  switch (call.operation) {
    case 'list':
      return { ...nothingFound, versions: await groups.ofUser(call.arguments.user_id) }
    case 'info': {
      const ids = call.arguments.groups.map(({ group_id }) => group_id)
      const found = (await groups.of(ids, operator)).filter(({ disbanded }) => !disbanded)
      return found.length === 0 && ids.length > 0 ? noGroup : { ...nothingFound, groups: found }
    }
    case 'members':
      return lookAtMembers(call.arguments, operator, groups)
    case 'joins':
      return lookAtJoins(call.arguments, operator, groups)
    case 'own-joins': {
      const { limit, ...asked } = call.arguments
      return { ...nothingFound, joins: await groups.joinsOfUser({ ...asked, limit: limit && limit + 1 }) }
    }
    case 'get': {
      const found = await groups.of([call.arguments.group_id])
      return found.length === 0 ? noGroup : { ...nothingFound, groups: found }
    }
    default:
      throw new TypeError(`${call.operation} is no question`)
  }
}

async function lookAtMembers(
  { group_id, after, limit }: { group_id: number; after: number; limit?: number | undefined },
  operator: number | undefined,
  groups: GroupDirectory,
): Promise<Found | Refusal> {
  const [group] = await groups.of([group_id])
  if (group === undefined || group.disbanded) return noGroup
  if (operator !== undefined && (await groups.member(group_id, operator)) === undefined)
    return { code: kCIM_ERR_FORBIDDEN, reason: 'only its members see who is in it' }
  // One more than asked for: where it comes, there is a next page.
  const members = await groups.members({ group_id, after, limit: limit && limit + 1 })
  return { ...nothingFound, members }
}

async function lookAtJoins(
  { group_id, after, limit }: { group_id: number; after: number; limit?: number | undefined },
  operator: number | undefined,
  groups: GroupDirectory,
): Promise<Found | Refusal> {
  const [group] = await groups.of([group_id])
  if (group === undefined || group.disbanded) return noGroup
  const member = operator === undefined ? undefined : await groups.member(group_id, operator)
  if (operator !== undefined && (member?.role ?? 0) < kCIM_GROUP_ROLE_ADMIN)
    return { code: kCIM_ERR_FORBIDDEN, reason: 'only the owner and admins see who waits' }
  return { ...nothingFound, joins: await groups.joinsOfGroup({ group_id, after, limit: limit && limit + 1 }) }
}

/** Undefined: an app server. */
const operatorOf = ({ origin }: Requested): number | undefined => origin.user_id || undefined

function requestOf({ event, call }: Asked, limits: GroupLimits): GroupRequest {
  const { origin } = event
  const operator = operatorOf(event)
  const group_id = 'group_id' in call.arguments ? call.arguments.group_id : undefined
  const digest = createHash('sha256')
    .update(`${event.operation}\n${event.arguments}`)
    .digest()
    .subarray(0, 16)
  return {
    msg_id: msgIdOf(event, group_id, digest),
    digest,
    group_id,
    owner_id: call.operation === 'create' ? call.arguments.owner_id : undefined,
    operator,
    joinExpires_ms: limits.GROUP_JOIN_EXPIRES_MS,
    named: [...new Set([...(operator === undefined ? [] : [operator]), ...namedIn(call)])],
    msg_seq: origin.seq_num,
    client_type: origin.device.client_type,
    judge: (state) => judge({ call, operator, limits }, state),
  }
}

function namedIn({ arguments: given }: GroupCall): readonly number[] {
  return [
    ...('owner_id' in given ? [given.owner_id] : []),
    ...('user_id' in given ? [given.user_id] : []),
    ...('members' in given ? given.members : []),
  ]
}

/**
 * Names the change: a repeated record is the same request; with an Idempotency-Key another request for the same group is
 * as well. seq_num is the client's to choose, so it alone tells no two packets of a connection apart.
 */
function msgIdOf({ origin, time, idempotency_key }: Requested, group_id = 0, digest: Buffer): string {
  const { gate_id, gate_epoch, connection_id, seq_num } = origin
  const request = idempotency_key
    ? ['key', idempotency_key, group_id]
    : ['request', gate_id, gate_epoch, connection_id, seq_num, time, digest.toString('hex')]
  return `g:${createHash('sha256').update(request.join('\n')).digest('base64url')}`
}

/** Presence is read after COMMIT: who comes online later finds the change in the tables. */
async function saveAll(
  rows: readonly Row[],
  { groupChanges, presence, nickNames }: Ports,
): Promise<readonly Saved[]> {
  const outcomes = await groupChanges.apply(rows.map(({ request }) => request))
  const told = outcomes.map(whoHears)
  const users = [...new Set(told.flat())]
  const senders = outcomes.flatMap((each) => senderOf(each) ?? [])
  const [present, names] = await Promise.all([
    users.length === 0 ? new Map<number, readonly PresentDevice[]>() : presence.of(users),
    senders.length === 0 ? new Map<number, string>() : nickNames.of(senders),
  ])
  return outcomes.map((outcome, at) => ({
    outcome,
    devices: (told[at] ?? []).flatMap((user) => present.get(user) ?? []),
    from_nick_name: names.get(senderOf(outcome) ?? 0),
  }))
}

/** Of the NOTIFICATION, where there is one. */
const senderOf = (outcome: GroupOutcome): number | undefined =>
  outcome.kind === 'changed' ? outcome.notification.from_user_id : undefined

const whoHears = (outcome: GroupOutcome): readonly number[] => [
  ...new Set([...(outcome.kind === 'changed' ? usersToTell(outcome) : []), ...usersToAsk(outcome)]),
]
