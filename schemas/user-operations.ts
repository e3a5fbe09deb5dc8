/**
 * The calls about users: operation name → its arguments, as they travel on request.user (spec 4).
 * The REST API writes them, the users worker reads them; both check them here. Ids are numbers in between.
 */
import { z } from 'zod'
import { fieldLimits } from './fields.js'
import { isUserId } from './ids.js'

/** Text of at most `max` characters (code points) or UTF-8 bytes that the database can keep. */
export const text = (unit: 'characters' | 'bytes', max: number, min = 0) =>
  z.string().superRefine((value, context) => {
    const length = unit === 'bytes' ? Buffer.byteLength(value) : [...value].length
    const fault =
      length > max
        ? `at most ${max} ${unit}`
        : length < min
          ? 'must not be empty'
          : value.includes('\0')
            ? 'must not contain U+0000'
            : /\p{Surrogate}/u.test(value)
              ? 'must be valid Unicode'
              : undefined
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault })
  })

const userId = z.number().refine(isUserId, 'not a user id')
const url = text('bytes', 1_024)
const httpUrl = z.url({ protocol: /^https?$/ }).max(1_024)
const clientTypes = [0, 1, 2, 3, 4, 5, 6] as const

/** CIMClientType (spec 1, "Enumerations"). */
export const clientType = z.literal([...clientTypes])

const robot = z.strictObject({ webhook: httpUrl, secret: text('bytes', 256, 1) })
const nickName = text('characters', fieldLimits.nick_name.max)
const attachInfo = text('bytes', fieldLimits.attach_info.max)

/** What an app server says of a user that it registers. */
export const profile = z.strictObject({
  nick_name: nickName,
  avatar_url: url.optional(),
  attach_info: attachInfo.optional(),
  robot: robot.optional(),
})

/** null clears a field, a missing one stays. */
export const profileChange = z.strictObject({
  nick_name: nickName.optional(),
  avatar_url: url.nullable().optional(),
  attach_info: attachInfo.nullable().optional(),
  robot: robot.nullable().optional(),
})

/** Where a device can be notified. */
export const pushToken = z.strictObject({
  client_type: clientType,
  device_id: text('bytes', fieldLimits.device_id.max).optional(),
  provider: z.string().regex(/^[a-z0-9_-]{1,32}$/, 'a provider name: a-z, 0-9, _ and -'),
  token: text('bytes', 4_096, 1),
})

/** Users in one import. */
export const importLimit = 500

const oneUser = z.object({ user_id: userId })

/** The arguments of each operation. */
export const userOperations = {
  create: z.object({ user_id: userId, ...profile.shape }),
  import: z.object({ users: z.array(z.object({ user_id: userId, ...profile.shape })).max(importLimit) }),
  get: oneUser,
  update: z.object({ user_id: userId, profile: profileChange }),
  deactivate: oneUser,
  'check-token': z.object({ user_id: userId, version: z.number().int() }),
  'rotate-token': oneUser,
  devices: oneUser,
  kick: z.object({ user_id: userId, client_type: clientType.optional() }),
  'set-push-token': z.object({ user_id: userId, ...pushToken.shape }),
} as const

export type UserOperation = keyof typeof userOperations
export type ArgumentsOf<O extends UserOperation> = z.output<(typeof userOperations)[O]>

/** An operation with its arguments, checked. */
export type UserCall = { [O in UserOperation]: { operation: O; arguments: ArgumentsOf<O> } }[UserOperation]

/**
 * Reads an operation from an event.
 * @throws Error where there is no such operation, or the arguments are not its own
 */
export function parseUserCall(operation: string, json: string): UserCall {
  if (!Object.hasOwn(userOperations, operation)) throw new Error(`no such operation: ${operation}`)
  const schema: z.ZodType = userOperations[operation as UserOperation]
  return { operation, arguments: schema.parse(JSON.parse(json)) } as UserCall
}

/** A user as the worker answers: what the REST API shows, and the version that it signs a token for. */
export const answeredUser = z.object({
  user_id: z.string(),
  nick_name: z.string(),
  avatar_url: z.string().nullable(),
  attach_info: z.string().nullable(),
  robot: z.object({ webhook: z.string() }).nullable(),
  active: z.boolean(),
  /** ms */
  created: z.number(),
  updated: z.number(),
})

export const answeredDevice = z.object({
  client_type: z.number(),
  device_id: z.string().optional(),
  gate_id: z.string(),
  client_version: z.string().optional(),
  /** ms */
  since: z.number(),
})

/** What the worker answers to an operation that it could serve; never a token, as the bus keeps records. */
export const userAnswer = z.object({
  user: answeredUser.optional(),
  token_version: z.number().optional(),
  results: z
    .array(
      z.object({
        user_id: z.string(),
        status: z.enum(['created', 'exists']),
        token_version: z.number().optional(),
      }),
    )
    .optional(),
  devices: z.array(answeredDevice).optional(),
})
export type UserAnswer = z.output<typeof userAnswer>

/** What an app server reads when a call failed. */
export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly field?: string }
}
