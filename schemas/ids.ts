/** Identifiers (spec 1-wire, "Identifiers"). Every u64 stays below 2^53, so all ids are JS numbers. */

const firstGroupId = 2 ** 48

/** 1 … 2^48−1: given by the business. */
export const isUserId = (id: number): boolean => Number.isSafeInteger(id) && id >= 1 && id < firstGroupId

/** 2^48 … 2^53−1: given by the server. */
export const isGroupId = (id: number): boolean => Number.isSafeInteger(id) && id >= firstGroupId

/** `c:<smaller>:<larger>`: the conversation of two users, or of one with itself. */
export const pairConversation = (a: number, b: number): string => (a < b ? `c:${a}:${b}` : `c:${b}:${a}`)

/** `g:<group id>`. */
const groupConversation = (groupId: number): string => `g:${groupId}`

/** The group of a conversation; undefined where it is that of a pair. */
export const groupOf = (conversation: string): number | undefined =>
  conversation.startsWith('g:') ? Number(conversation.slice(2)) : undefined

/** The conversation that a message from `fromUserId` to `toSessionId` belongs to. */
export const conversationOf = (fromUserId: number, toSessionId: number): string =>
  isGroupId(toSessionId) ? groupConversation(toSessionId) : pairConversation(fromUserId, toSessionId)

/** One device of a user: the client type, or the type with the device_id where one was sent. */
export interface DeviceName {
  readonly client_type: number
  readonly device_id?: string | null
}

/** `2` or `2:my-phone`: the device's name in Redis fields, database columns and logs. */
export const deviceKey = (device: DeviceName): string =>
  device.device_id ? `${device.client_type}:${device.device_id}` : `${device.client_type}`

/** The reverse of deviceKey. */
export const parseDeviceKey = (key: string): { client_type: number; device_id?: string } => {
  const colon = key.indexOf(':')
  if (colon < 0) return { client_type: Number(key) }
  return { client_type: Number(key.slice(0, colon)), device_id: key.slice(colon + 1) }
}
