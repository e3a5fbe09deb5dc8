/** What who asked about a group is answered: the packet that fits theirs, or JSON for an app server. */
import { CIM, coffeechat } from '../../proto/index.js'
import type { GroupAnswer, GroupCall } from '../../schemas/group-operations.js'
import { commands } from '../../schemas/packets.js'
import type { ErrorBody } from '../../schemas/user-operations.js'
import type { Group, GroupOutcome, Member, Refusal } from '../ports/groups.js'
import { answer, errorNotify, httpAnswer, type Writable } from './answers.js'

import event = coffeechat.event

const { CIMErrorCode } = CIM.Def
const done = CIMErrorCode.kCIM_ERR_SUCCSSE
const admin = CIM.Group.CIMGroupRole.kCIM_GROUP_ROLE_ADMIN

interface Done {
  readonly user_id: number
  readonly group_id: number
  readonly result_code: number
}

/** What a question found. */
export interface Found {
  readonly groups: readonly Group[]
  readonly versions: readonly { readonly group_id: number; readonly version: number }[]
  readonly members: readonly Member[]
}

/** An event with its operation. */
export interface Asked {
  readonly event: event.IGroupRequested
  readonly call: GroupCall
}

const isPacket = ({ event }: Asked): boolean => event.command_id !== null && event.command_id !== undefined

/** The response to each command that changes a group, save the creation. */
const responses: { readonly [Operation in GroupCall['operation']]?: Writable<Done> } = {
  disband: commands.GROUP_DISBAND_RSP,
  exit: commands.GROUP_EXIT_RSP,
  invite: commands.GROUP_INVITE_MEMBER_RSP,
  kick: commands.GROUP_KICK_OUT_MEMBER_RSP,
  update: commands.GROUP_UPDATE_RSP,
  'set-role': commands.GROUP_SET_ROLE_RSP,
  mute: commands.GROUP_MUTE_RSP,
  transfer: commands.GROUP_TRANSFER_RSP,
}

/** After a change was asked for. */
export function answerChange(asked: Asked, outcome: GroupOutcome) {
  if (outcome.kind === 'refused') return refuse(asked, outcome.refusal)
  if (outcome.kind === 'key-reused')
    return httpAnswer(
      asked.event.origin,
      409,
      errorBody('IDEMPOTENCY_KEY_REUSED', 'this Idempotency-Key was used for another call'),
    )
  const { origin } = asked.event
  const { operation } = asked.call
  if (!isPacket(asked))
    return httpAnswer(origin, operation === 'create' ? 201 : 200, {
      group: groupShown(outcome.group),
    } satisfies GroupAnswer)
  const { user_id } = origin
  if (operation === 'create')
    return answer(origin, commands.GROUP_CREATE_RSP, {
      user_id,
      result_code: done,
      group_info: groupInfo(outcome.group),
      member_id_list: [...outcome.members],
    })
  return answerDone(asked, outcome.group.group_id, done)
}

function answerDone({ event, call }: Asked, group_id: number, result_code: number) {
  const { origin } = event
  const response = responses[call.operation]
  if (response === undefined) throw new TypeError(`${call.operation} has no response of that kind`)
  return answer(origin, response, { user_id: origin.user_id, group_id, result_code })
}

const errorBody = (code: string, message: string): ErrorBody => ({ error: { code, message } })

const statusOf: Readonly<Record<number, number>> = {
  [CIMErrorCode.kCIM_ERR_BAD_REQUEST]: 400,
  [CIMErrorCode.kCIM_ERR_FORBIDDEN]: 403,
  [CIMErrorCode.kCIM_ERR_NOT_FOUND]: 404,
}

/** In the command's own response where that has a code, else as an ERROR_NOTIFY. */
export function refuse(asked: Asked, { code, reason }: Refusal) {
  const { event, call } = asked
  const { origin } = event
  if (!isPacket(asked))
    return httpAnswer(
      origin,
      statusOf[code] ?? 500,
      errorBody(CIMErrorCode[code].replace('kCIM_ERR_', ''), reason),
    )
  const { user_id } = origin
  if (call.operation === 'create')
    return answer(origin, commands.GROUP_CREATE_RSP, { user_id, result_code: code })
  if (call.operation === 'info')
    return answer(origin, commands.GROUP_INFO_RSP, { user_id, result_code: code })
  if ('group_id' in call.arguments && call.operation in responses)
    return answerDone(asked, call.arguments.group_id, code)
  return errorNotify(
    origin,
    call.operation === 'list' ? commands.GROUP_LIST_REQ : commands.GROUP_MEMBER_LIST_REQ,
    code,
    reason,
  )
}

/** To a question, from what was found. */
export function answerQuestion(asked: Asked, found: Found) {
  const { event, call } = asked
  const { origin } = event
  const { user_id } = origin
  if (call.operation === 'list') {
    const group_version_list = found.versions.map(({ group_id, version }) => ({
      group_id,
      group_version: version,
    }))
    return answer(origin, commands.GROUP_LIST_RSP, { user_id, group_version_list })
  }
  if (call.operation === 'info')
    return answer(origin, commands.GROUP_INFO_RSP, {
      user_id,
      result_code: done,
      group_info_list: changedSince(call.arguments.groups, found.groups).map(groupInfo),
    })
  if (call.operation === 'members') {
    const { group_id, limit } = call.arguments
    if (isPacket(asked))
      return answer(origin, commands.GROUP_MEMBER_LIST_RSP, {
        user_id,
        group_id,
        member_id_list: found.members.map((member) => member.user_id),
        admin_id_list: found.members.filter(({ role }) => role === admin).map((member) => member.user_id),
      })
    return httpAnswer(origin, 200, membersPage(found.members, limit ?? 0))
  }
  const [group] = found.groups
  return httpAnswer(origin, 200, (group ? { group: groupShown(group) } : {}) satisfies GroupAnswer)
}

/** A client that has a group's version already needs it no more. */
const changedSince = (
  known: readonly { readonly group_id: number; readonly group_version: number }[],
  groups: readonly Group[],
): readonly Group[] => {
  const versions = new Map(known.map(({ group_id, group_version }) => [group_id, group_version]))
  return groups.filter(({ group_id, version }) => versions.get(group_id) !== version)
}

/** One more than asked for was read: there is a next page. */
function membersPage(members: readonly Member[], limit: number): GroupAnswer {
  const page = members.slice(0, limit)
  const last = page.at(-1)
  return {
    members: page.map(({ user_id, role, mute_until }) => ({ user_id: String(user_id), role, mute_until })),
    ...(members.length > limit && last !== undefined ? { cursor: String(last.user_id) } : {}),
  }
}

const seconds = (time_ms: number): number => Math.floor(time_ms / 1_000)

/** A group as packets have it. */
const groupInfo = (group: Group): CIM.Group.ICIMGroupInfo => ({
  group_id: group.group_id,
  group_name: group.group_name,
  group_type: group.group_type,
  join_model: group.join_model,
  be_invite_model: group.be_invite_model,
  mute_model: group.mute_model,
  group_owner_id: group.owner_id,
  create_time: seconds(group.create_time),
  update_time: seconds(group.update_time),
  group_intro: group.intro,
  announcement: group.announcement,
  group_avatar: group.avatar,
  member_count: group.member_count,
  group_version: group.version,
})

const groupShown = (group: Group) => ({
  group_id: String(group.group_id),
  group_name: group.group_name,
  group_type: group.group_type,
  owner_id: String(group.owner_id),
  announcement: group.announcement,
  group_intro: group.intro,
  group_avatar: group.avatar,
  mute_model: group.mute_model,
  join_model: group.join_model,
  member_count: group.member_count,
  version: group.version,
  disbanded: group.disbanded,
  create_time: group.create_time,
  update_time: group.update_time,
})
