/** What who asked about a group is answered: the packet that fits theirs, or JSON for an app server. */
import { CIM, coffeechat } from '../../proto/index.js'
import type { GroupAnswer, GroupCall } from '../../schemas/group-operations.js'
import { type Command, commands } from '../../schemas/packets.js'
import type { Group, GroupOutcome, JoinRequest, Member, Refusal } from '../ports/groups.js'
import { answer, errorNotify, httpAnswer, type Writable } from './answers.js'
import { httpRefusal } from './calls.js'
import { groupInfo, groupShown, joinInfo, joinsPage, membersPage } from './group-shown.js'

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
  readonly joins: readonly JoinRequest[]
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
  apply: commands.GROUP_APPLY_RSP,
  'answer-apply': commands.GROUP_ANSWER_APPLY_RSP,
  'answer-invite': commands.GROUP_ANSWER_INVITE_RSP,
}

/** After a change was asked for. */
export function answerChange(asked: Asked, outcome: GroupOutcome) {
  if (outcome.kind === 'refused') return refuse(asked, outcome.refusal)
  if (outcome.kind === 'key-reused')
    return httpRefusal(
      asked.event,
      409,
      'IDEMPOTENCY_KEY_REUSED',
      'this Idempotency-Key was used for another call',
    )
  const { origin } = asked.event
  const { call } = asked
  const { operation } = call
  if (!isPacket(asked))
    return httpAnswer(origin, operation === 'create' ? 201 : 200, {
      group: groupShown(outcome.group),
      ...(call.operation === 'apply' ? { joined: outcome.members.includes(call.arguments.user_id) } : {}),
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

const statusOf: Readonly<Record<number, number>> = {
  [CIMErrorCode.kCIM_ERR_BAD_REQUEST]: 400,
  [CIMErrorCode.kCIM_ERR_FORBIDDEN]: 403,
  [CIMErrorCode.kCIM_ERR_NOT_FOUND]: 404,
  [CIMErrorCode.kCIM_ERR_RATE_LIMITED]: 429,
}

/** Lists, whose responses have no code. */
const listRequests: { readonly [Operation in GroupCall['operation']]?: Command } = {
  list: commands.GROUP_LIST_REQ,
  joins: commands.GROUP_JOIN_LIST_REQ,
  'own-joins': commands.GROUP_JOIN_LIST_REQ,
}

/** In the command's own response where that has a code, else as an ERROR_NOTIFY. */
export function refuse(asked: Asked, { code, reason }: Refusal) {
  const { event, call } = asked
  const { origin } = event
  if (!isPacket(asked))
    return httpRefusal(event, statusOf[code] ?? 500, CIMErrorCode[code].replace('kCIM_ERR_', ''), reason)
  const { user_id } = origin
  if (call.operation === 'create')
    return answer(origin, commands.GROUP_CREATE_RSP, { user_id, result_code: code })
  if (call.operation === 'info')
    return answer(origin, commands.GROUP_INFO_RSP, { user_id, result_code: code })
  if ('group_id' in call.arguments && call.operation in responses)
    return answerDone(asked, call.arguments.group_id, code)
  return errorNotify(origin, listRequests[call.operation] ?? commands.GROUP_MEMBER_LIST_REQ, code, reason)
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
  if (call.operation === 'joins' || call.operation === 'own-joins') {
    const group_id = 'group_id' in call.arguments ? { group_id: call.arguments.group_id } : {}
    return isPacket(asked)
      ? answer(origin, commands.GROUP_JOIN_LIST_RSP, {
          user_id,
          ...group_id,
          join_list: found.joins.map(joinInfo),
        })
      : httpAnswer(
          origin,
          200,
          joinsPage(
            found.joins,
            call.arguments.limit ?? 0,
            call.operation === 'joins' ? 'user_id' : 'group_id',
          ),
        )
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
