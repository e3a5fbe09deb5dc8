/**
 * A trigger becomes at most one notification per message and device (spec 2, "Offline push"). Its ledger row is
 * committed before the provider is called: a worker that dies in between repeats the same notification.
 */
import { coffeechat } from '../proto/index.js'
import { deviceKey, groupOf } from '../schemas/ids.js'
import { previewOf } from '../schemas/preview.js'
import { topics } from '../schemas/topics.js'
import { defineWorker, save } from './kit/worker.js'
import type {
  CopyKey,
  DeliveryState,
  DeliveryStates,
  MessageForReader,
  MessageReader,
} from './ports/messages.js'
import type { AckLookup } from './ports/presence.js'
import type {
  DeadAddress,
  GroupNames,
  Notification,
  Notifier,
  PushAddress,
  PushKey,
  PushLedger,
  PushOutcome,
  PushTarget,
  PushTargets,
} from './ports/push.js'
import type { PhoneCache, User, UserDirectory } from './ports/users.js'

import event = coffeechat.event

export interface PushPorts {
  readonly pushTargets: PushTargets
  readonly pushLedger: PushLedger
  readonly notifier: Notifier
  readonly messages: MessageReader
  readonly states: DeliveryStates
  readonly pending: AckLookup
  readonly users: UserDirectory
  readonly groupNames: GroupNames
  readonly phones: PhoneCache
  /** False: notifications do not show what was written. */
  readonly pushPreview: boolean
  /** After that long a notification is of no use. */
  readonly maxAge_ms: number
}

type Trigger = event.IPushTriggered

interface Facts {
  readonly target: PushTarget
  readonly message: MessageForReader | undefined
  readonly state: DeliveryState | undefined
  /** The device's ack waits for the flush. */
  readonly acked: boolean
}

interface Loaded {
  /** Of triggers that may still be notified. */
  readonly facts: ReadonlyMap<Trigger, Facts>
  readonly senders: ReadonlyMap<number, User>
  readonly groupNames: ReadonlyMap<number, string>
  readonly preview: boolean
  readonly maxAge_ms: number
}

/** A row of the ledger, with what to show or why not. */
interface PushRow extends PushKey {
  readonly reason: string
  readonly addresses: readonly PushAddress[]
  readonly show: Omit<Notification, 'notification_id'> | { readonly suppressed: string }
}

/** Calls to providers at once; then their outcomes are written. */
const notificationsAtOnce = 64
const hiddenText = 'New message'

export const offlinePush = defineWorker({
  name: 'offline-push',
  consumes: topics.pushTriggered,
  produces: [],

  load,

  decide(trigger, loaded: Loaded) {
    const facts = loaded.facts.get(trigger)
    if (facts === undefined) return []
    const suppressed = suppressionOf(trigger, facts)
    return [
      save({
        ...pushKey(trigger),
        reason: reasons[trigger.reason],
        addresses: facts.target.addresses,
        show: suppressed === undefined ? notificationOf(trigger, facts, loaded) : { suppressed },
      }),
    ]
  },

  async save(rows: readonly PushRow[], ports: PushPorts) {
    const fresh = [...new Map(rows.map((row) => [keyText(row), row])).values()]
    for (let at = 0; at < fresh.length; at += notificationsAtOnce)
      await notifySome(fresh.slice(at, at + notificationsAtOnce), ports)
    return rows.map(() => undefined)
  },
})

const reasons: Readonly<Record<event.PushReason, string>> = {
  [event.PushReason.PUSH_REASON_OFFLINE]: 'offline',
  [event.PushReason.PUSH_REASON_UNACKED]: 'unacked',
  [event.PushReason.PUSH_REASON_MISSED]: 'missed',
}

async function load(triggers: readonly Trigger[], ports: PushPorts): Promise<Loaded> {
  // One's own message is no news.
  const foreign = triggers.filter(({ reader_user_id, ref }) => reader_user_id !== ref.from_user_id)
  const targets = await ports.pushTargets.of(foreign.map(pushKey))
  const open = foreign.flatMap((trigger, at) => {
    const target = targets[at]
    return target === undefined || target.settled ? [] : [{ trigger, target }]
  })
  const { pushPreview: preview, maxAge_ms } = ports
  if (open.length === 0)
    return { facts: new Map(), senders: new Map(), groupNames: new Map(), preview, maxAge_ms }

  const keys = open.map(({ trigger }) => copyKey(trigger))
  const [messages, states, { acked }, senders, groupNames] = await Promise.all([
    ports.messages.of(keys),
    ports.states.of(keys),
    ports.pending.find(
      open.map(({ trigger }) => ({ ...pushKey(trigger), device: deviceKey(trigger.device) })),
    ),
    ports.users.of([...new Set(keys.map((key) => key.from_user_id))]),
    ports.groupNames.of(keys.flatMap((key) => groupOf(key.conversation) ?? [])),
  ])
  const facts = new Map(
    open.map(({ trigger, target }, at) => [
      trigger,
      { target, message: messages[at], state: states[at], acked: acked[at] === true },
    ]),
  )
  return { facts, senders, groupNames, preview, maxAge_ms }
}

const pushKey = ({ reader_user_id, device, ref }: Trigger): PushKey => ({
  reader_user_id,
  device,
  from_user_id: ref.from_user_id,
  msg_id: ref.msg_id,
})

const keyText = (key: PushKey): string =>
  JSON.stringify([key.reader_user_id, deviceKey(key.device), key.from_user_id, key.msg_id])

const copyKey = ({ reader_user_id, ref }: Trigger): CopyKey => ({
  reader_user_id,
  from_user_id: ref.from_user_id,
  msg_id: ref.msg_id,
  conversation: ref.conversation,
  server_msg_id: ref.server_msg_id,
})

/** Why this device is not to be notified; undefined where it is. */
function suppressionOf(trigger: Trigger, { target, message, state, acked }: Facts): string | undefined {
  if (target.logged_out) return 'logged out'
  if (message === undefined || state === undefined) return 'message is gone'
  if (state.read) return 'read'
  if (acked || state.acked_by.includes(deviceKey(trigger.device))) return 'acked'
  return undefined
}

/** Of a group message the title is the group's name, and the text says who wrote it. */
function notificationOf(trigger: Trigger, { target, message }: Facts, loaded: Loaded) {
  const { ref, reader_user_id, device } = trigger
  const group = groupOf(ref.conversation)
  const sender = loaded.senders.get(ref.from_user_id)?.nick_name ?? String(ref.from_user_id)
  const time = message?.stored_time ?? trigger.time
  const text = loaded.preview && message ? previewOf(message.msg_type, message.msg_data) : hiddenText
  return {
    user_id: reader_user_id,
    device,
    title: group === undefined ? sender : (loaded.groupNames.get(group) ?? String(group)),
    body: group === undefined ? text : `${sender}: ${text}`,
    badge: target.unread_total,
    collapse_key: ref.conversation,
    from_user_id: ref.from_user_id,
    session_id: group ?? ref.from_user_id,
    msg_id: ref.msg_id,
    server_msg_id: ref.server_msg_id,
    time,
    expires: time + loaded.maxAge_ms,
  }
}

/** Ledger, providers, ledger: in this order. */
async function notifySome(rows: readonly PushRow[], ports: PushPorts): Promise<void> {
  const ids = await ports.pushLedger.open(rows)
  const dead: DeadAddress[] = []
  const outcomes = await Promise.all(
    rows.map(async (row, at): Promise<PushOutcome | undefined> => {
      const notification_id = ids[at]
      if (notification_id === undefined) return undefined
      const { reader_user_id, device, from_user_id, msg_id, show } = row
      const key = { reader_user_id, device, from_user_id, msg_id }
      if ('suppressed' in show)
        return { ...key, state: 'suppressed', provider: null, answer: show.suppressed, attempts: 0 }
      const notified = await ports.notifier.notify({ ...show, notification_id }, row.addresses)
      dead.push(...notified.dead.map((address) => ({ ...address, user_id: reader_user_id, device })))
      const { state, provider, answer, attempts } = notified
      return { ...key, state, provider, answer, attempts }
    }),
  )
  await ports.pushLedger.settle(outcomes.filter((outcome) => outcome !== undefined))
  if (dead.length === 0) return
  await ports.pushTargets.remove(dead)
  await ports.phones.forget([...new Set(dead.map((each) => each.user_id))])
}
