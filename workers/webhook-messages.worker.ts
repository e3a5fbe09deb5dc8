/** The business is told of every stored message, and of every change of a group, which is a message too. */
import { CIM } from '../proto/index.js'
import type { MessageStoredJson } from '../schemas/business-events.js'
import { topics } from '../schemas/topics.js'
import { type Happening, webhookWorker } from './kit/webhooks.js'

const { kCIM_MSG_TYPE_NOTIFICATION } = CIM.Def.CIMMsgType

export const webhookMessages = webhookWorker('webhook-messages', topics.messageStored, describe)

function describe(stored: MessageStoredJson): Happening {
  const { conversation: lane, server_msg_id, create_time: time } = stored
  const about = { kind: 'message', lane, time, event_id: `message:${lane}:${server_msg_id}` } as const
  const change = stored.msg_type === kCIM_MSG_TYPE_NOTIFICATION ? changeIn(stored.data) : undefined
  if (change === undefined) return { ...about, event: topics.messageStored.name, data: stored }
  const { from_user_id, to_session_id: group_id } = stored
  return { ...about, event: 'group.changed', data: { group_id, from_user_id, server_msg_id, ...change } }
}

/** What a NOTIFICATION says; undefined where it says nothing of ours. */
function changeIn(data: string): { notification: unknown; data: unknown } | undefined {
  try {
    const { notification, data: details } = JSON.parse(Buffer.from(data, 'base64').toString('utf8'))
    return typeof notification === 'string' ? { notification, data: details } : undefined
  } catch {
    return undefined
  }
}
