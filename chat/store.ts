/** What a pane knows of its sessions: messages in order, what is unsent, how far the peer has read. */
import { type ChatMessage, type Client, MessageStatus, MsgType, newMsgId } from '../client/index.js'
import type { Unsent } from './conversation.js'

export interface Store {
  add(message: ChatMessage): void
  messages(session_id: number): readonly ChatMessage[]
  unsent(session_id: number): readonly Unsent[]
  readUpTo(session_id: number): number
  /** The peer has read up to here. */
  peerRead(session_id: number, server_msg_id: number): void
  /** What the peer has read while this user was offline. */
  refresh(session_id: number): Promise<void>
  send(session_id: number, text: string): void
}

/** More of a session than this is not kept. */
const keptAtMost = 400

/** @param onChanged something of this session is different */
export function createStore(client: Client, onChanged: (session_id: number) => void): Store {
  const messages = new Map<number, ChatMessage[]>()
  const unsent = new Map<number, Unsent[]>()
  const reads = new Map<number, number>()

  const forget = (session_id: number, msg_id: string) => {
    const left = (unsent.get(session_id) ?? []).filter((each) => each.msg_id !== msg_id)
    unsent.set(session_id, left)
  }

  function peerRead(session_id: number, server_msg_id: number): void {
    reads.set(session_id, Math.max(server_msg_id, reads.get(session_id) ?? 0))
    onChanged(session_id)
  }

  return {
    add(message) {
      const { session_id, msg_id } = message
      const all = messages.get(session_id) ?? []
      all.push(message)
      messages.set(session_id, all.slice(-keptAtMost))
      if (message.from_user_id === client.user_id) forget(session_id, msg_id)
      onChanged(session_id)
    },
    messages: (session_id) => messages.get(session_id) ?? [],
    unsent: (session_id) => unsent.get(session_id) ?? [],
    readUpTo: (session_id) => reads.get(session_id) ?? 0,
    peerRead,
    async refresh(session_id) {
      const latest = await client.history(session_id).catch(() => [])
      const read = latest.findLast(({ msg_status }) => msg_status === MessageStatus.RECEIPT)
      if (read !== undefined) peerRead(session_id, read.server_msg_id)
    },
    send(session_id, text) {
      const sending: Unsent = { msg_id: newMsgId(), text }
      unsent.set(session_id, [...(unsent.get(session_id) ?? []), sending])
      onChanged(session_id)
      client
        .send(session_id, text, { msg_id: sending.msg_id, msg_type: MsgType.TEXT })
        .catch((error: Error) => {
          sending.fault = error.message
          onChanged(session_id)
        })
    },
  }
}
