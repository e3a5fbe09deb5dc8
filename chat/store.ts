/** What a pane knows of its sessions: messages in order, what is unsent, how far the peer has read. */
import { type ChatMessage, type Client, MessageStatus, newMsgId } from '../client/index.js'
import type { Unsent } from './unsent.js'

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
  /** Uploads it and sends what names it. */
  sendFile(session_id: number, file: File): void
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

  /** Shows what is being sent until it is stored; where that fails it stays, with the reason, to be tried again. */
  function attempt(session_id: number, sending: Unsent, send: () => Promise<unknown>): void {
    delete sending.fault
    sending.again = undefined
    onChanged(session_id)
    send().catch((error: Error) => {
      sending.fault = error.message
      sending.again = () => attempt(session_id, sending, send)
      onChanged(session_id)
    })
  }

  function show(session_id: number, sending: Unsent, send: () => Promise<unknown>): void {
    unsent.set(session_id, [...(unsent.get(session_id) ?? []), sending])
    attempt(session_id, sending, send)
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
      const msg_id = newMsgId()
      show(session_id, { msg_id, text }, () => client.send(session_id, text, { msg_id }))
    },
    sendFile(session_id, file) {
      const msg_id = newMsgId()
      const preview = file.type.startsWith('image/') ? URL.createObjectURL(file) : undefined
      const sending: Unsent = { msg_id, text: file.name, upload: { preview, share: 0 } }
      const onProgress = (sent: number, total: number) => {
        sending.upload = { preview, share: sent / total }
        onChanged(session_id)
      }
      show(session_id, sending, async () => {
        await client.sendFile(session_id, file, { msg_id, onProgress })
        if (preview !== undefined) URL.revokeObjectURL(preview)
      })
    },
  }
}
