/**
 * The commands and questions about groups: operation name → its arguments, as they travel on request.group
 * (spec 1, 0x0501 … 0x0530; spec 4). Packets and the REST API write them, the groups worker reads them.
 */
import { z } from 'zod'
import { fieldLimits } from './fields.js'
import { isGroupId, isUserId } from './ids.js'
import { text } from './user-operations.js'

const userId = z.number().refine(isUserId, 'not a user id')
const groupId = z.number().refine(isGroupId, 'not a group id')
const membersAtOnce = fieldLimits.member_id_list.max
const someMembers = z.array(userId).min(1, 'names nobody').max(membersAtOnce)
const groupName = text('characters', fieldLimits.group_name.max)
const time_ms = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)

/** Ordinary members and admins; there is one owner, who is made by a transfer. */
const givenRole = z.literal([0, 1])

const groupTexts = {
  announcement: text('characters', fieldLimits.announcement.max).optional(),
  group_intro: text('bytes', fieldLimits.group_intro.max).optional(),
  group_avatar: text('bytes', fieldLimits.group_avatar.max).optional(),
}

/** How one becomes a member: whom one has to ask, and who is asked. */
const groupModels = {
  join_model: z.literal([0, 1, 2]).optional(),
  be_invite_model: z.literal([0, 1]).optional(),
}

/** What a new group is called and says of itself; without a name the server makes one. */
export const groupProfile = z.object({ group_name: groupName.optional(), ...groupTexts, ...groupModels })

/** A missing field stays. */
export const groupChange = z.object({
  group_name: text('characters', fieldLimits.group_name.max, 1).optional(),
  ...groupTexts,
  ...groupModels,
})

/** All, by mute_model; or these members, until mute_until (0 lifts it). */
export const muteChange = z.object({
  mute_model: z.literal([0, 1]).optional(),
  members: z.array(userId).max(membersAtOnce),
  mute_until: time_ms.optional(),
})

/** What who wants to join says of themselves. */
export const joinText = text('characters', fieldLimits.join_text.max).optional()

const oneGroup = z.object({ group_id: groupId })
/** In the order of the ids of who or what is on the page; without a limit all. */
const page = { after: z.number().int().min(0), limit: z.number().int().min(1).optional() }
const groupAndMembers = oneGroup.extend({ members: someMembers })

/** The arguments of each operation. Who acts is the origin's user; without one an app server does. */
export const groupOperations = {
  create: groupProfile.extend({ owner_id: userId, members: z.array(userId).max(membersAtOnce) }),
  disband: oneGroup,
  exit: oneGroup,
  invite: groupAndMembers,
  kick: groupAndMembers,
  update: oneGroup.extend({ change: groupChange }),
  'set-role': groupAndMembers.extend({ role: givenRole }),
  mute: oneGroup.extend(muteChange.shape),
  transfer: oneGroup.extend({ owner_id: userId }),
  apply: oneGroup.extend({ user_id: userId, join_text: joinText }),
  'answer-apply': groupAndMembers.extend({ agree: z.boolean() }),
  'answer-invite': oneGroup.extend({ user_id: userId, agree: z.boolean() }),
  list: z.object({ user_id: userId }),
  info: z.object({
    groups: z
      .array(z.object({ group_id: groupId, group_version: z.number() }))
      .max(fieldLimits.group_version_list.max),
  }),
  get: oneGroup,
  members: oneGroup.extend(page),
  /** What waits for an answer in a group. */
  joins: oneGroup.extend(page),
  /** What a user has asked for, or is asked, in any group. */
  'own-joins': z.object({ user_id: userId, ...page }),
} as const

export type GroupOperation = keyof typeof groupOperations
export type GroupArgumentsOf<O extends GroupOperation> = z.output<(typeof groupOperations)[O]>

/** An operation with its arguments, checked. */
export type GroupCall = {
  [O in GroupOperation]: { operation: O; arguments: GroupArgumentsOf<O> }
}[GroupOperation]

/**
 * Reads an operation from an event.
 * @throws Error where there is no such operation, or the arguments are not its own
 */
export function parseGroupCall(operation: string, json: string): GroupCall {
  if (!Object.hasOwn(groupOperations, operation)) throw new Error(`no such operation: ${operation}`)
  const schema: z.ZodType = groupOperations[operation as GroupOperation]
  return { operation, arguments: schema.parse(JSON.parse(json)) } as GroupCall
}

/** A group as the REST API shows it. */
export const answeredGroup = z.object({
  group_id: z.string(),
  group_name: z.string(),
  group_type: z.number().describe('1 normal, 2 super'),
  owner_id: z.string(),
  announcement: z.string(),
  group_intro: z.string(),
  group_avatar: z.string(),
  mute_model: z.number().describe('1: only the owner and admins may send'),
  join_model: z
    .number()
    .describe(
      '0 any member invites, 1 the owner and admins do and approve of who applies, 2 only an app server adds',
    ),
  be_invite_model: z.number().describe('1: who is invited by a member joins when they agree'),
  member_count: z.number(),
  version: z.number().describe('rises with each change of the group or its members'),
  disbanded: z.boolean(),
  create_time: z.number().describe('ms'),
  update_time: z.number().describe('ms'),
})

export const answeredMember = z.object({
  user_id: z.string(),
  role: z.number().describe('0 member, 1 admin, 2 owner'),
  mute_until: z.number().describe('ms'),
})

/** An application or invitation that waits for its answer, or was refused. */
export const answeredJoin = z.object({
  group_id: z.string(),
  group_name: z.string(),
  user_id: z.string().describe('who is to join'),
  kind: z.number().describe('1 an application, 2 an invitation'),
  from_user_id: z.string().describe('who applied, or who invited'),
  state: z.number().describe('1 open, 2 refused'),
  join_text: z.string(),
  create_time: z.number().describe('ms'),
  expire_time: z.number().describe('ms: from then on it is as if it had never been'),
})

/** What the worker answers to an app server's call that it could serve. */
export const groupAnswer = z.object({
  group: answeredGroup.optional(),
  members: z.array(answeredMember).optional(),
  /** Whether who applied is a member now; otherwise it waits. */
  joined: z.boolean().optional(),
  joins: z.array(answeredJoin).optional(),
  /** Of the next page of members, or of applications and invitations. */
  cursor: z.string().optional(),
})
export type GroupAnswer = z.output<typeof groupAnswer>
