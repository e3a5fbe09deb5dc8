/**
 * What businesses and CoffeeChat say to each other (spec 3, "For businesses"): JSON in UTF-8, ids as decimal strings,
 * times in ms, bytes as base64. Only additions are made to what was released (test/schemas/compatibility.test.ts).
 */
import { z } from 'zod'
import { coffeechat } from '../proto/index.js'
import { saysProtobuf } from './business-codec.js'
import { fieldLimits } from './fields.js'
import { isGroupId, isUserId } from './ids.js'
import { text } from './user-operations.js'

const decimal = z.string().regex(/^[1-9]\d{0,15}$/, 'an id is a decimal string')
const userId = decimal.refine((id) => isUserId(Number(id)), 'not a user id').describe('a user id')
const groupId = decimal.refine((id) => isGroupId(Number(id)), 'not a group id').describe('a group id')

/** Users that one push may name. */
const receivers_max = 10_000
const ttl_max_s = 30 * 86_400

const pushId = text('characters', fieldLimits.push_id.max, fieldLimits.push_id.min)

/** Exactly one of these is there; its name, else undefined. */
function theOnly<T extends object>(given: T, names: readonly (keyof T & string)[]): string | undefined {
  const [only, ...more] = names.filter((name) => given[name] !== undefined)
  return more.length > 0 ? undefined : only
}

const exactlyOne =
  <T extends object>(...names: (keyof T & string)[]) =>
  (given: T, context: z.RefinementCtx): void => {
    if (theOnly(given, names) !== undefined) return
    context.addIssue({ code: 'custom', message: `exactly one of ${names.join(', ')} is needed` })
  }

const receivers = z
  .object({
    user_ids: z.array(userId).min(1).max(receivers_max).optional(),
    group_id: groupId.optional(),
    online: z.literal(true).optional().describe('everyone who is online'),
  })
  .superRefine(exactlyOne('user_ids', 'group_id', 'online'))

/** A push as a business asks for it. */
export const pushRequest = z
  .object({
    push_id: pushId.describe('a UUID of yours: the same one again is not delivered again'),
    push_type: text('bytes', fieldLimits.push_type.max, 1).describe('yours to choose, such as order.paid'),
    to: receivers,
    payload: z.base64().optional().describe('bytes as base64; or text; or json'),
    text: z.string().optional(),
    json: z.record(z.string(), z.unknown()).optional(),
    offline: z
      .enum(['drop', 'store', 'notify'])
      .default('drop')
      .describe('for who is offline: dropped, stored until the next login, or notified through the vendor'),
    title: text('characters', 256).optional().describe('of the notification'),
    body: text('characters', 1_024).optional().describe('of the notification'),
    ttl_seconds: z.number().int().min(1).max(ttl_max_s).optional().describe('after that it is expired'),
  })
  .superRefine(exactlyOne('payload', 'text', 'json'))
  .superRefine((request, context) => {
    if (contentOf(request).length > fieldLimits.push_payload.max)
      context.addIssue({
        code: 'custom',
        message: `the payload has more than ${fieldLimits.push_payload.max} bytes`,
      })
  })

export type PushRequestJson = z.output<typeof pushRequest>
type PushContent = Pick<PushRequestJson, 'payload' | 'text' | 'json'>

/** The bytes that a device gets. */
export function contentOf({ payload, text: written, json }: PushContent): Buffer {
  if (payload !== undefined) return Buffer.from(payload, 'base64')
  return Buffer.from(written ?? JSON.stringify(json ?? {}))
}

const pushOutcomes = [
  'sent',
  'acked',
  'dropped_offline',
  'stored',
  'notified',
  'expired',
  'rejected',
] as const

/** What became of a push for one user; without user_id: of the whole request. */
export const pushResult = z.object({
  push_id: z.string(),
  user_id: userId.optional(),
  outcome: z.enum(pushOutcomes),
  reason: z.string().optional(),
  client_type: z.number().int().optional().describe('of the device, where one was written to or acked'),
  time: z.number().int().describe('ms'),
})
export type PushResultJson = z.output<typeof pushResult>

/** What a client tells the business. */
export const reportSubmitted = z.object({
  report_id: z.string(),
  report_type: z.string(),
  user_id: userId,
  client_type: z.number().int(),
  gate_id: z.string(),
  create_time: z.number().int().describe("ms, the client's"),
  received_time: z.number().int().describe('ms, when it arrived here'),
  payload: z.string().describe('base64'),
  repeated: z
    .literal(true)
    .optional()
    .describe('this report_id of this user was published before: the client sent it again'),
})
export type ReportSubmittedJson = z.output<typeof reportSubmitted>

/** Every stored message, in order per conversation. */
export const messageStored = z.object({
  conversation: z.string().describe('c:<smaller user id>:<larger> or g:<group id>'),
  session_type: z.number().int().describe('1 single, 2 group'),
  from_user_id: z.string(),
  to_session_id: z.string().describe('a user or a group'),
  msg_id: z.string().describe("the sender's"),
  server_msg_id: z.string().describe('1, 2, 3 … in the conversation'),
  msg_type: z.number().int(),
  create_time: z.number().int().describe('ms, when it was stored'),
  data: z.string().describe('base64'),
})
export type MessageStoredJson = z.output<typeof messageStored>

/** A device went online or offline, was kicked or logged out. */
export const presenceChanged = z.object({
  user_id: z.string(),
  client_type: z.number().int(),
  device_id: z.string().optional(),
  gate_id: z.string(),
  state: z.enum(['online', 'offline', 'kicked', 'logged_out']),
  time: z.number().int().describe('ms'),
})
export type PresenceChangedJson = z.output<typeof presenceChanged>

/** A row of a user's contacts as it is now: what user_id has written down about peer_id. */
export const contactChanged = z.object({
  user_id: z.string().describe('whose row it is'),
  peer_id: z.string(),
  state: z.number().int().describe('CIMContactState'),
  blocked: z.boolean(),
  remark: z.string(),
  greeting: z.string(),
  version: z.number().int().describe("of this user's contacts; rising"),
  time: z.number().int().describe('ms'),
})
export type ContactChangedJson = z.output<typeof contactChanged>

/** A reader has received or read a conversation up to a message. */
export const receiptChanged = z.object({
  conversation: z.string(),
  reader_user_id: z.string(),
  server_msg_id: z.string(),
  state: z.enum(['delivered', 'read']),
  client_type: z.number().int(),
  time: z.number().int().describe('ms'),
})
export type ReceiptChangedJson = z.output<typeof receiptChanged>

/** Where the answer to an app server's call goes; rides in a header of its record. */
const answerTo = z.object({ gate_id: z.string(), gate_epoch: z.number(), connection_id: z.number() })
export type AnswerTo = z.output<typeof answerTo>
const answerToHeader = 'answer-to'

/** A request on push.requested, or what can be said of one that cannot be served. */
export type PushRequested =
  | { readonly kind: 'request'; readonly request: PushRequestJson; readonly answer_to?: AnswerTo | undefined }
  | { readonly kind: 'faulty'; readonly push_id: string; readonly reason: string }

type Headers = Readonly<Record<string, string>>

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The JSON that a protobuf request means. */
function fromProtobuf(bytes: Uint8Array): unknown {
  const { PushRequested } = coffeechat.business
  const { to, payload, ...given } = PushRequested.decode(bytes)
  const present = Object.entries(given).filter(([, value]) => value !== null && value !== undefined)
  return {
    ...Object.fromEntries(present),
    ...(payload ? { payload: Buffer.from(payload).toString('base64') } : {}),
    ...(to
      ? {
          to: {
            ...(to.user_ids.length > 0 ? { user_ids: to.user_ids.map(String) } : {}),
            ...(to.group_id ? { group_id: String(to.group_id) } : {}),
            ...(to.online ? { online: true } : {}),
          },
        }
      : {}),
  }
}

function answerToOf(headers: Headers): AnswerTo | undefined {
  const header = headers[answerToHeader]
  return header === undefined ? undefined : answerTo.parse(JSON.parse(header))
}

/** JSON, or protobuf where the record's header says so; a faulty one with a push_id is an event too. */
export const pushRequestedCodec = {
  encode(event: PushRequested): Uint8Array {
    if (event.kind === 'faulty') throw new Error('a faulty request is only ever read')
    return Buffer.from(JSON.stringify(event.request))
  },
  headers: (event: PushRequested): Headers | undefined =>
    event.kind === 'request' && event.answer_to
      ? { [answerToHeader]: JSON.stringify(event.answer_to) }
      : undefined,
  /** @throws where it is neither JSON nor protobuf, or has no push_id */
  decode(bytes: Uint8Array, headers: Headers = {}): PushRequested {
    const given = saysProtobuf(headers) ? fromProtobuf(bytes) : (JSON.parse(utf8.decode(bytes)) as unknown)
    const parsed = pushRequest.safeParse(given)
    if (parsed.success) return { kind: 'request', request: parsed.data, answer_to: answerToOf(headers) }
    const issue = parsed.error.issues[0]
    const reason = `${issue?.path.join('.') || 'the request'}: ${issue?.message ?? 'not valid'}`
    const named = z.object({ push_id: pushId }).safeParse(given)
    if (!named.success) throw new Error(reason)
    return { kind: 'faulty', push_id: named.data.push_id, reason }
  },
}
