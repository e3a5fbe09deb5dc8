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

const providerName = z.string().regex(/^[a-z0-9_-]{1,32}$/, 'a provider name: a-z, 0-9, _ and -')

/** Where a device can be notified. */
export const pushToken = z.strictObject({
  client_type: clientType,
  device_id: text('bytes', fieldLimits.device_id.max).optional(),
  provider: providerName,
  token: text('bytes', 4_096, 1),
})

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time of day: HH:MM')

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/** What a user wants of notifications; what is not said is as it was for a new user. */
export const pushSettings = z.strictObject({
  quiet_hours: z
    .strictObject({
      from: timeOfDay,
      to: timeOfDay.describe('the end; the same as the beginning: always'),
      time_zone: z
        .string()
        .max(64)
        .refine(isTimeZone, 'no time zone (IANA, like Europe/Berlin)')
        .meta({
          examples: ['Europe/Berlin'],
        }),
    })
    .nullable()
    .default(null)
    .describe('do not disturb'),
  mentions: z.boolean().default(true).describe('messages that mention the user are shown all the same'),
  preview: z.boolean().default(true).describe('show what was written, where this server allows it'),
})

/** Which tokens of a user; of any device and provider where they are not named. */
export const pushTokenFilter = z.strictObject({
  client_type: clientType.optional(),
  device_id: text('bytes', fieldLimits.device_id.max).optional(),
  provider: providerName.optional(),
})

/** Items on a page of a list, at most. */
const largestPage = 100
const limit = z.number().int().min(1).max(largestPage)

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
  'push-tokens': oneUser,
  'delete-push-tokens': z.object({ user_id: userId, ...pushTokenFilter.shape }),
  'push-settings': oneUser,
  'set-push-settings': z.object({ user_id: userId, settings: pushSettings }),
  // of a message that this user sent; after this reader
  deliveries: z.object({
    user_id: userId,
    msg_id: text('characters', fieldLimits.msg_id.max, fieldLimits.msg_id.min),
    after: z.number().int().min(0),
    limit,
  }),
  // newest first; before this one
  notifications: z.object({
    user_id: userId,
    before: z.object({ created: z.number().int().min(0), notification_id: z.uuid() }).optional(),
    limit,
  }),
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

export const answeredPushToken = z.object({
  client_type: z.number(),
  device_id: z.string().optional(),
  provider: z.string(),
  token_end: z.string().describe('its last characters: enough to tell tokens apart'),
  created: z.number().describe('ms'),
})

const notificationState = z
  .enum(['pending', 'sent', 'refused', 'failed', 'suppressed'])
  .describe('failed: given up without an answer; suppressed: the rules say no')

/** A row of the ledger. */
const notification = z.object({
  notification_id: z.string(),
  state: notificationState,
  trigger: z.string().describe('offline, unacked or missed'),
  provider: z.string().optional(),
  answer: z.string().optional().describe("the provider's, or why there was no notification"),
  attempts: z.number().describe('calls of providers'),
  created: z.number().describe('ms'),
  updated: z.number().describe('ms'),
})

export const answeredNotification = notification.extend({
  client_type: z.number(),
  device_id: z.string().optional(),
  from_user_id: z.string(),
  msg_id: z.string(),
  conversation: z.string().optional(),
  server_msg_id: z.string().optional(),
})

/** A message on one device of a reader; of a reader without one only the reader. */
const answeredDelivery = z.object({
  user_id: z.string(),
  client_type: z.number().optional(),
  device_id: z.string().optional(),
  status: z.enum(['acked', 'read', 'notified', 'notifying', 'not_notified', 'waiting']),
  reason: z.string().optional().describe('of not_notified, notifying and waiting'),
  notification: notification.optional(),
})

/** Of a message, its readers' devices, page by page. */
export const answeredDeliveries = z.object({
  session_id: z.string(),
  session_type: z.number(),
  server_msg_id: z.string(),
  deliveries: z.array(answeredDelivery),
  /** The last reader, where there are more. */
  next: z.string().optional(),
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
  push_tokens: z.array(answeredPushToken).optional(),
  push_settings: pushSettings.optional(),
  message: answeredDeliveries.optional(),
  notifications: z.array(answeredNotification).optional(),
})
export type UserAnswer = z.output<typeof userAnswer>

/** What an app server reads when a call failed. */
export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly field?: string }
}
