/**
 * Some seconds after a delivery: has every device acked? Who has not gets it again; with the first check a
 * notification is triggered too (spec 2, single chat 5). One worker for each of the three delays.
 */
import { CIM, coffeechat } from '../proto/index.js'
import { deviceKey, parseDeviceKey } from '../schemas/ids.js'
import { topics } from '../schemas/topics.js'
import { type Checked, type CheckPorts, loadChecked } from './kit/checks.js'
import { deliverTo, messageBody, triggerPush } from './kit/deliveries.js'
import { defineWorker, type EmitOf } from './kit/worker.js'

import event = coffeechat.event

const { kCIM_MESSAGE_FEATURE_DEFAULT, kCIM_MESSAGE_FEATURE_LEAVE_MSG, kCIM_MESSAGE_FEATURE_SYNC_MSG } =
  CIM.Def.CIMMessageFeature

type NextCheck = typeof topics.deliveryCheck15s | typeof topics.deliveryCheck60s
type Produced = typeof topics.gateOutbound | typeof topics.pushTriggered | NextCheck

export const deliveryCheck5s = checkWorker(
  'delivery-check-5s',
  topics.deliveryCheck5s,
  topics.deliveryCheck15s,
)
export const deliveryCheck15s = checkWorker(
  'delivery-check-15s',
  topics.deliveryCheck15s,
  topics.deliveryCheck60s,
)
export const deliveryCheck60s = checkWorker('delivery-check-60s', topics.deliveryCheck60s)

function checkWorker(name: string, consumes: CheckTopic, next?: NextCheck) {
  const produces: Produced[] = [topics.gateOutbound, topics.pushTriggered, ...(next ? [next] : [])]
  return defineWorker({
    name,
    consumes,
    produces,
    load: (checks, ports: CheckPorts, places) => loadChecked(checks, ports, places),
    decide: (check, loaded): EmitOf<Produced>[] =>
      (check.entry ?? []).flatMap((entry) => {
        if (loaded.absent.has(entry)) return next ? checkAbsent(next, entry, check.attempt) : []
        const checked = loaded.unacked.get(entry)
        return checked === undefined ? [] : decideEntry(entry, check.attempt, checked, next)
      }),
  })
}

type CheckTopic =
  | typeof topics.deliveryCheck5s
  | typeof topics.deliveryCheck15s
  | typeof topics.deliveryCheck60s

/** What follows for one reader of one message; `checked` is absent where all is acked, read, too old or gone. */
function decideEntry(
  entry: event.ICheckEntry,
  attempt: number,
  { unacked, present, message, from_nick_name, caughtUp }: Checked,
  next: NextCheck | undefined,
): EmitOf<Produced>[] {
  const { ref, reader_user_id, first_time, msg_type } = entry
  const online = present.filter(({ device }) => unacked.includes(deviceKey(device)))
  const wasSent = new Set((entry.sent_to ?? []).map(deviceKey))
  const own = reader_user_id === ref.from_user_id
  const feature = own
    ? kCIM_MESSAGE_FEATURE_SYNC_MSG
    : wasSent.size === 0
      ? kCIM_MESSAGE_FEATURE_LEAVE_MSG
      : kCIM_MESSAGE_FEATURE_DEFAULT
  const pushDue = !own && (attempt === 1 || entry.push_owed === true)
  const silent = unacked.filter((device) => wasSent.has(device))
  return [
    ...deliverTo(online, ref, messageBody(ref.session_type, message, from_nick_name), feature),
    // No push while an ack may still be on its way.
    ...(pushDue && caughtUp
      ? silent.map((device) =>
          triggerPush(
            reader_user_id,
            parseDeviceKey(device),
            ref,
            event.PushReason.PUSH_REASON_UNACKED,
            first_time,
            msg_type,
          ),
        )
      : []),
    ...(next && unacked.length > 0
      ? [
          checkAgain(next, entry, attempt, {
            sent_to: unacked.map(parseDeviceKey),
            push_owed: pushDue && !caughtUp,
          }),
        ]
      : []),
  ]
}

/** Whoever is away may be back by the next check. Not so for groups: most members of a large one are always away. */
const checkAbsent = (next: NextCheck, entry: event.ICheckEntry, attempt: number): EmitOf<NextCheck>[] =>
  entry.ref.session_type === CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_SINGLE
    ? [checkAgain(next, entry, attempt, {})]
    : []

/** The entry once more, at the next delay. Not by emit(): the topic is one of two, with the same payload. */
const checkAgain = (
  next: NextCheck,
  entry: event.ICheckEntry,
  attempt: number,
  changes: Partial<event.ICheckEntry>,
): EmitOf<NextCheck> =>
  ({
    kind: 'emit',
    topic: next,
    event: { attempt: attempt + 1, entry: [{ ...entry, ...changes }] },
  }) as EmitOf<NextCheck>
