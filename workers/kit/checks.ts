/** What a delivery check must know: who has acked, who is online, and the message where it goes out again. */
import { coffeechat } from '../../proto/index.js'
import { deviceKey } from '../../schemas/ids.js'
import type { CopyKey, DeliveryStates, MessageForReader, MessageReader } from '../ports/messages.js'
import type { AckLookup, Presence, PresentDevice } from '../ports/presence.js'
import type { NickNames } from '../ports/users.js'
import type { Place } from './worker.js'

import event = coffeechat.event

export interface CheckPorts {
  readonly pending: AckLookup
  readonly states: DeliveryStates
  readonly messages: MessageReader
  readonly presence: Presence
  readonly nickNames: NickNames
  /** Resolves after that many ms. */
  readonly pause: (ms: number) => Promise<void>
  /** ms */
  readonly now: () => number
  /** How long after its append a check of attempt 1, 2, 3 falls due. */
  readonly delays_ms: readonly number[]
  /** Older messages are not delivered again. */
  readonly maxAge_ms: number
}

/** An entry with devices that have not acked. */
export interface Checked {
  /** deviceKey of those that it was sent to, or that are online now, and have not acked. */
  readonly unacked: readonly string[]
  readonly present: readonly PresentDevice[]
  readonly message: MessageForReader
  /** Only with SEND_NICK_NAME. */
  readonly from_nick_name: string | undefined
  /** False: the tracker is behind, an ack may still be on its way. */
  readonly caughtUp: boolean
}

/** An entry while it is looked up. */
interface Open {
  readonly entry: event.ICheckEntry
  readonly due: number
  unacked: string[]
  present: readonly PresentDevice[]
}

const trackerWait_ms = 5_000
const trackerPoll_ms = 200

/** What is known of the entries of a batch; those in neither are done. */
export interface CheckedEntries {
  /** Entries that still have unacked devices. */
  readonly unacked: ReadonlyMap<event.ICheckEntry, Checked>
  /** Entries whose reader was and is not online with any device. */
  readonly absent: ReadonlySet<event.ICheckEntry>
}

/** Looks up who has acked, who is online, and the messages that go out again. */
export async function loadChecked(
  checks: readonly event.IDeliveryCheck[],
  ports: CheckPorts,
  places: readonly Place[],
): Promise<CheckedEntries> {
  const oldest = ports.now() - ports.maxAge_ms
  const entries: Open[] = checks.flatMap((check, at) => {
    const due = (places[at]?.appended ?? 0) + (ports.delays_ms[check.attempt - 1] ?? 0)
    return (check.entry ?? [])
      .filter((entry) => entry.first_time >= oldest)
      .map((entry) => ({ entry, due, unacked: [], present: [] }))
  })
  const users = [...new Set(entries.map(({ entry }) => entry.reader_user_id))]
  const present = await ports.presence.of(users)
  for (const each of entries) {
    each.present = present.get(each.entry.reader_user_id) ?? []
    each.unacked = concernedDevices(each.entry, each.present)
  }
  const absent = new Set(entries.filter((each) => each.unacked.length === 0).map(({ entry }) => entry))
  const { open, handledUntil } = await withoutPendingAcks(
    entries.filter((each) => each.unacked.length > 0),
    ports,
  )
  const unread = await withoutFlushedAcks(open, ports)
  if (unread.length === 0) return { unacked: new Map(), absent }
  // A group's message is looked up once, however many of its readers have not acked.
  const keys = new Map(unread.map(({ entry }) => [messageKey(entry), copyKey(entry)]))
  const [found, nickNames] = await Promise.all([
    ports.messages.of([...keys.values()]),
    ports.nickNames.of(unread.map(({ entry }) => entry.ref.from_user_id)),
  ])
  const messages = new Map([...keys.keys()].map((key, at) => [key, found[at]]))
  const checked = new Map<event.ICheckEntry, Checked>()
  for (const each of unread) {
    const message = messages.get(messageKey(each.entry))
    if (message === undefined) continue
    checked.set(each.entry, {
      unacked: each.unacked,
      present: each.present,
      message,
      from_nick_name: nickNames.get(message.from_user_id),
      caughtUp: handledUntil >= each.due,
    })
  }
  return { unacked: checked, absent }
}

/** The devices it was sent to and those that are online now; never the one that wrote it. */
function concernedDevices(entry: event.ICheckEntry, present: readonly PresentDevice[]): string[] {
  const devices = new Set([...(entry.sent_to ?? []), ...present.map(({ device }) => device)].map(deviceKey))
  if (entry.sender_device) devices.delete(deviceKey(entry.sender_device))
  return [...devices]
}

/**
 * Takes away what was acked and waits for the flush: one Redis round trip for all. Where some are missing,
 * waits for the tracker to pass the due time, 5 s at most.
 */
async function withoutPendingAcks(entries: readonly Open[], ports: CheckPorts) {
  let open = entries
  let handledUntil = 0
  const deadline = ports.now() + trackerWait_ms
  while (open.length > 0) {
    const asked = open.flatMap((each) => each.unacked.map((device) => ({ each, device })))
    const found = await ports.pending.find(
      asked.map(({ each, device }) => ({ ...copyKey(each.entry), device })),
    )
    handledUntil = found.handledUntil
    for (const [at, { each, device }] of asked.entries())
      if (found.acked[at]) each.unacked = each.unacked.filter((other) => other !== device)
    open = open.filter((each) => each.unacked.length > 0)
    if (open.every((each) => each.due <= handledUntil) || ports.now() >= deadline) break
    await ports.pause(trackerPoll_ms)
  }
  return { open, handledUntil }
}

/** Takes away what was flushed already, and what was read (that implies every ack up to it, I5). */
async function withoutFlushedAcks(open: readonly Open[], ports: CheckPorts): Promise<Open[]> {
  if (open.length === 0) return []
  const states = await ports.states.of(open.map(({ entry }) => copyKey(entry)))
  return open.filter((each, at) => {
    const state = states[at]
    if (state === undefined || state.read) return false
    each.unacked = each.unacked.filter((device) => !state.acked_by.includes(device))
    return each.unacked.length > 0
  })
}

const messageKey = ({ ref }: event.ICheckEntry): string => `${ref.from_user_id}:${ref.msg_id}`

const copyKey = ({ reader_user_id, ref }: event.ICheckEntry): CopyKey => ({
  reader_user_id,
  from_user_id: ref.from_user_id,
  msg_id: ref.msg_id,
  conversation: ref.conversation,
  server_msg_id: ref.server_msg_id,
})
