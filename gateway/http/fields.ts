/** Fields of the REST API (spec 4): ids are decimal strings, because JSON readers round large numbers. */
import { z } from 'zod'
import '../../schemas/complaints.js'
import { isGroupId, isUserId } from '../../schemas/ids.js'

const decimal = (meaning: string) =>
  z.string(`${meaning} is a decimal string`).regex(/^(0|[1-9]\d{0,15})$/, `${meaning} is a decimal string`)

/** A user id: "1" … "281474976710655". */
export const userId = decimal('a user id')
  .refine((text) => isUserId(Number(text)), 'a user id lies between 1 and 281474976710655')
  .meta({ examples: ['1001'] })
  .transform(Number)

/** A group id: "281474976710656" … "9007199254740991". */
export const groupId = decimal('a group id')
  .refine((text) => isGroupId(Number(text)), 'a group id lies between 281474976710656 and 9007199254740991')
  .meta({ examples: ['281474976710656'] })
  .transform(Number)

/** Whom a session is with: a user id or a group id. */
export const peerId = decimal('a user or group id')
  .refine((text) => isUserId(Number(text)) || isGroupId(Number(text)), 'neither a user id nor a group id')
  .meta({ examples: ['1002'] })
  .transform(Number)

/** A message's number in its conversation, from 1. */
export const serverMsgId = decimal('a server_msg_id')
  .refine((text) => text !== '0' && Number.isSafeInteger(Number(text)), 'a server_msg_id counts from 1')
  .meta({ examples: ['1'] })
  .transform(Number)

const largestPage = 100

/** Items on a page of a list. */
export const pageLimit = z.coerce.number().int().min(1).max(largestPage)

export const userPath = z.object({ user_id: userId })

/** A path parameter that a verb follows: `/users/{user_id}:kick`. */
export const beforeVerb = (name: string): string => `:${name}(^[^:]+)`
