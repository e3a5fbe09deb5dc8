/** What a delivery check must know: who has acked, who is online, and the message where it goes out again. */
import { coffeechat } from '../../proto/index.js'
import { deviceKey } from '../../schemas/ids.js'
import type { CopyKey, DeliveryStates, MessageForReader, MessageReader } from '../ports/messages.js'
import type { AckLookup, PendingAck, Presence, PresentDevice } from '../ports/presence.js'
import type { NickNames } from '../ports/users.js'
import { checkReaders } from './deliveries.js'
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

/** A reader with devices that have not acked. */
export interface CheckedReader {
  readonly reader: event.ICheckReader
  /** deviceKey of those that it was sent to, or that are online now, and have not acked. */
  readonly unacked: readonly string[]
  readonly present: readonly PresentDevice[]
}

/** What is known of the readers of one entry; those in neither list are done. */
export interface CheckedEntry {
  readonly unacked: readonly CheckedReader[]
  /** Who was and is not online with any device. */
  readonly absent: readonly event.ICheckReader[]
  /** Undefined where it is gone; then nobody is unacked. */
  readonly message: MessageForReader | undefined
  /** Only with SEND_NICK_NAME. */
  readonly from_nick_name: string | undefined
  /** False: the tracker is behind, an ack may still be on its way. */
  readonly caughtUp: boolean
}

/** A reader while it is looked up. */
interface Open {
  readonly entry: event.ICheckEntry
  readonly reader: event.ICheckReader
  readonly due: number
  readonly present: readonly PresentDevice[]
  unacked: string[]
}

const nobody: readonly PresentDevice[] = []

const trackerWait_ms = 5_000
const trackerPoll_ms = 200

/** Looks up who has acked, who is online, and the messages that go out again. Entries that are too old are left out. */
export async function loadChecked(
  checks: readonly event.IDeliveryCheck[],
  ports: CheckPorts,
  places: readonly Place[],
): Promise<ReadonlyMap<event.ICheckEntry, CheckedEntry>> {
  const readers = await findReaders(checks, ports, places)
  const absent = byEntry(readers.filter((each) => each.unacked.length === 0))
  const { open, handledUntil } = await withoutPendingAcks(
    readers.filter((each) => each.unacked.length > 0),
    ports,
  )
  const unacked = byEntry(await withoutFlushedAcks(open, ports))
  const messages = await findMessages([...unacked.values()].flat(), ports)
  return new Map(
    [...new Set([...unacked.keys(), ...absent.keys()])].map((entry) => {
      const found = messages.get(messageKey(entry))
      const left = found ? (unacked.get(entry) ?? []) : []
      return [
        entry,
        {
          unacked: left,
          absent: (absent.get(entry) ?? []).map(({ reader }) => reader),
          message: found?.message,
          from_nick_name: found?.from_nick_name,
          caughtUp: left.every(({ due }) => handledUntil >= due),
        },
      ]
    }),
  )
}

/** The readers of all entries that are young enough, with the devices that should have acked. */
async function findReaders(
  checks: readonly event.IDeliveryCheck[],
  ports: CheckPorts,
  places: readonly Place[],
): Promise<Open[]> {
  const oldest = ports.now() - ports.maxAge_ms
  const readers: { entry: event.ICheckEntry; reader: event.ICheckReader; due: number }[] = []
  for (const [at, { attempt, entry }] of checks.entries()) {
    const due = (places[at]?.appended ?? 0) + (ports.delays_ms[attempt - 1] ?? 0)
    for (const each of entry ?? [])
      if (each.first_time >= oldest)
        for (const reader of checkReaders(each)) readers.push({ entry: each, reader, due })
  }
  const online = await ports.presence.of([...new Set(readers.map(({ reader }) => reader.user_id))])
  // A large group has ten thousand readers per message: objects are made once, not spread.
  return readers.map(({ entry, reader, due }) => {
    const present = online.get(reader.user_id) ?? nobody
    return { entry, reader, due, present, unacked: concernedDevices(entry, reader, present) }
  })
}

function byEntry(readers: readonly Open[]): ReadonlyMap<event.ICheckEntry, readonly Open[]> {
  const entries = new Map<event.ICheckEntry, Open[]>()
  for (const each of readers) {
    const others = entries.get(each.entry)
    if (others) others.push(each)
    else entries.set(each.entry, [each])
  }
  return entries
}

/** What is to be delivered again, by messageKey, with the senders' names; a message that is gone is absent. */
async function findMessages(readers: readonly Open[], ports: CheckPorts) {
  // A group's message is looked up once, however many of its readers have not acked.
  const keys = new Map(readers.map((each) => [messageKey(each.entry), copyKey(each)]))
  if (keys.size === 0) return new Map<string, never>()
  const [messages, nickNames] = await Promise.all([
    ports.messages.of([...keys.values()]),
    ports.nickNames.of([...keys.values()].map((key) => key.from_user_id)),
  ])
  return new Map(
    [...keys.keys()].flatMap((key, at) => {
      const message = messages[at]
      return message ? [[key, { message, from_nick_name: nickNames.get(message.from_user_id) }] as const] : []
    }),
  )
}

/** The devices it was sent to and those that are online now; never the one that wrote it. */
function concernedDevices(
  { sender_device }: event.ICheckEntry,
  { sent_to }: event.ICheckReader,
  present: readonly PresentDevice[],
): string[] {
  const devices = new Set<string>()
  for (const device of sent_to ?? []) devices.add(deviceKey(device))
  for (const { device } of present) devices.add(deviceKey(device))
  if (sender_device) devices.delete(deviceKey(sender_device))
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
    const found = await ports.pending.find(open.flatMap(pendingAcks))
    handledUntil = found.handledUntil
    let at = 0
    for (const each of open) each.unacked = each.unacked.filter(() => !found.acked[at++])
    open = open.filter((each) => each.unacked.length > 0)
    if (open.every((each) => each.due <= handledUntil) || ports.now() >= deadline) break
    await ports.pause(trackerPoll_ms)
  }
  return { open, handledUntil }
}

/** Takes away what was flushed already, and what was read (that implies every ack up to it, I5). */
async function withoutFlushedAcks(open: readonly Open[], ports: CheckPorts): Promise<Open[]> {
  if (open.length === 0) return []
  const states = await ports.states.of(open.map(copyKey))
  return open.filter((each, at) => {
    const state = states[at]
    if (state === undefined || state.read) return false
    each.unacked = each.unacked.filter((device) => !state.acked_by.includes(device))
    return each.unacked.length > 0
  })
}

const pendingAcks = ({ entry: { ref }, reader, unacked }: Open): PendingAck[] =>
  unacked.map((device) => ({
    reader_user_id: reader.user_id,
    device,
    from_user_id: ref.from_user_id,
    msg_id: ref.msg_id,
  }))

const messageKey = ({ ref }: event.ICheckEntry): string => `${ref.from_user_id}:${ref.msg_id}`

const copyKey = ({ entry: { ref }, reader }: Open): CopyKey => ({
  reader_user_id: reader.user_id,
  from_user_id: ref.from_user_id,
  msg_id: ref.msg_id,
  conversation: ref.conversation,
  server_msg_id: ref.server_msg_id,
})
