/**
 * The commands and questions about contacts: operation name → its arguments, as they travel on request.contact
 * (spec 1, 0x0601 … 0x0615; spec 4). Packets and the REST API write them, the contacts worker reads them.
 */
import { z } from 'zod'
import { fieldLimits } from './fields.js'
import { isUserId } from './ids.js'
import { importLimit, text } from './user-operations.js'

const userId = z.number().refine(isUserId, 'not a user id')

/** Contacts on a page of the list, and what a client gets that asks for 0. */
export const contactPageLimit = 500
/** Users in the answer to USER_LIST_REQ. */
export const userListLimit = 50

export const remark = text('characters', fieldLimits.remark.max)

const pair = z.object({ user_id: userId, peer_id: userId })

/** The arguments of each operation: user_id is always whose contacts are meant. */
export const contactOperations = {
  apply: pair.extend({ greeting: text('characters', fieldLimits.greeting.max).optional() }),
  answer: pair.extend({ accept: z.boolean() }),
  remark: pair.extend({ remark }),
  delete: pair,
  block: pair.extend({ blocked: z.boolean() }),
  /** By app servers only: friends from now on, without being asked. */
  befriend: z.object({
    user_id: userId,
    friends: z
      .array(z.object({ peer_id: userId, remark: remark.optional() }))
      .min(1, 'names nobody')
      .max(importLimit),
  }),
  /** What changed after a version. */
  list: z.object({
    user_id: userId,
    version: z.number().int().min(0),
    limit: z.number().int().min(1).max(contactPageLimit),
  }),
  /** Whom one may write to. */
  users: z.object({ user_id: userId }),
} as const

export type ContactOperation = keyof typeof contactOperations
export type ContactArgumentsOf<O extends ContactOperation> = z.output<(typeof contactOperations)[O]>

/** An operation with its arguments, checked. */
export type ContactCall = {
  [O in ContactOperation]: { operation: O; arguments: ContactArgumentsOf<O> }
}[ContactOperation]

/** The operations that change something. */
export type ContactChangeCall = Exclude<ContactCall, { operation: 'list' | 'users' }>

/**
 * Reads an operation from an event.
 * @throws Error where there is no such operation, or the arguments are not its own
 */
export function parseContactCall(operation: string, json: string): ContactCall {
  if (!Object.hasOwn(contactOperations, operation)) throw new Error(`no such operation: ${operation}`)
  const schema: z.ZodType = contactOperations[operation as ContactOperation]
  return { operation, arguments: schema.parse(JSON.parse(json)) } as ContactCall
}

/** A contact as the REST API shows it. */
export const answeredContact = z.object({
  user_id: z.string(),
  nick_name: z.string(),
  state: z.number().describe('0 none, 1 requested by the user, 2 asked by the other, 3 friend'),
  blocked: z.boolean().describe('by the user whose list it is'),
  remark: z.string(),
  version: z.number().describe('in the list; rises with each change'),
  update_time: z.number().describe('ms'),
})

/** What the worker answers to an app server's call that it could serve. */
export const contactAnswer = z.object({
  contacts: z.array(answeredContact),
  /** The version to read on from. */
  version: z.number().optional(),
  has_more: z.boolean().optional(),
})
export type ContactAnswer = z.output<typeof contactAnswer>
