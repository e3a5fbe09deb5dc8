/** What a message says, in a line of text. */
import { type ChatMessage, fileOf, MsgType, textOf } from '../client/index.js'

const decoder = new TextDecoder()

/** What a message says; in brackets what it is where it is not text. */
export function summary(message: Pick<ChatMessage, 'msg_type' | 'msg_data'>): string {
  const text = textOf(message)
  if (text !== undefined) return text
  if (message.msg_type === MsgType.NOTIFICATION) return notificationText(message.msg_data)
  if (message.msg_type === MsgType.ROBOT) return robotText(message.msg_data)
  const kind = Object.entries(MsgType).find(([, value]) => value === message.msg_type)?.[0] ?? 'MESSAGE'
  const name = message.msg_type === MsgType.FILE ? fileOf(message)?.name : undefined
  return name ?? `[${kind === 'IMAGE' ? 'picture' : kind.toLowerCase()}]`
}

function parsed(data: Uint8Array): Record<string, unknown> {
  try {
    return (JSON.parse(decoder.decode(data)) ?? {}) as Record<string, unknown>
  } catch {
    return {}
  }
}

function robotText(data: Uint8Array): string {
  const { content, body } = parsed(data)
  return typeof content === 'string'
    ? content
    : typeof body === 'string'
      ? body
      : JSON.stringify(content ?? body ?? '')
}

const changes: Readonly<Record<string, string>> = {
  'group.created': 'made the group',
  'group.disbanded': 'disbanded the group',
  'group.member_left': 'left the group',
  'group.members_added': 'added members',
  'group.members_removed': 'removed members',
}

/** A change of a group, in words that follow the name of who did it. */
function notificationText(data: Uint8Array): string {
  return changes[String(parsed(data).notification)] ?? 'changed the group'
}
