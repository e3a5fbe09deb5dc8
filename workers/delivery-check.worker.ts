/**
 * Some seconds after a delivery: has every device acked? Who has not gets it again; with the first check a
 * notification is triggered too (spec 2, single chat 5). One worker for each of the three delays.
 */
import { CIM, coffeechat } from '../proto/index.js'
import { deviceKey, parseDeviceKey } from '../schemas/ids.js'
import { topics } from '../schemas/topics.js'
import { type CheckedEntry, type CheckedReader, type CheckPorts, loadChecked } from './kit/checks.js'
import { checkEntries, deliverTo, messageBody, triggerPush } from './kit/deliveries.js'
import { passOn } from './kit/pass-on.js'
import { defineWorker, type EmitOf, following } from './kit/worker.js'
import type { PresentDevice } from './ports/presence.js'

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
        const checked = loaded.get(entry)
        return checked === undefined ? [] : following(entry, decideEntry(entry, check.attempt, checked, next))
      }),
  })
}

type CheckTopic =
  | typeof topics.deliveryCheck5s
  | typeof topics.deliveryCheck15s
  | typeof topics.deliveryCheck60s

/** What follows for the readers of one message: a packet per gate with those who get it again, pushes, the next check. */
function decideEntry(
  entry: event.ICheckEntry,
  attempt: number,
  checked: CheckedEntry,
  next: NextCheck | undefined,
): EmitOf<Produced>[] {
  const { unacked, absent, caughtUp } = checked
  const isDue = ({ reader }: CheckedReader) =>
    reader.user_id !== entry.ref.from_user_id && (attempt === 1 || reader.push_owed === true)
  return [
    ...deliverAgain(entry, checked),
    // No push while an ack may still be on its way.
    ...(caughtUp ? unacked.filter(isDue).flatMap((each) => notifyOfSilence(entry, each)) : []),
    ...(next === undefined
      ? []
      : checkAgain(next, attempt, entry, [
          ...unacked.map((each) =>
            passOn(each.reader, {
              user_id: each.reader.user_id,
              sent_to: each.unacked.map(parseDeviceKey),
              push_owed: isDue(each) && !caughtUp,
            }),
          ),
          ...(checksAbsent(entry) ? absent : []),
        ])),
  ]
}

/** To all of them at once who are online, by how the message comes to them. */
function deliverAgain(
  { ref, msg_type }: event.ICheckEntry,
  { unacked, message, from_nick_name }: CheckedEntry,
) {
  if (message === undefined) return []
  const body = messageBody(ref.session_type, message, from_nick_name)
  const online = new Map<CIM.Def.CIMMessageFeature, PresentDevice[]>()
  for (const each of unacked) {
    const feature = featureOf(ref, each.reader)
    const devices = each.present.filter(({ device }) => each.unacked.includes(deviceKey(device)))
    online.set(feature, [...(online.get(feature) ?? []), ...devices])
  }
  return [...online].flatMap(([feature, devices]) => deliverTo(devices, { ref, body, msg_type }, feature))
}

const featureOf = (ref: event.IMessageRef, { user_id, sent_to }: event.ICheckReader) =>
  user_id === ref.from_user_id
    ? kCIM_MESSAGE_FEATURE_SYNC_MSG
    : sent_to?.length
      ? kCIM_MESSAGE_FEATURE_DEFAULT
      : kCIM_MESSAGE_FEATURE_LEAVE_MSG

/** The devices of one reader that were written to and did not ack. */
function notifyOfSilence(
  { ref, first_time, msg_type }: event.ICheckEntry,
  { reader, unacked }: CheckedReader,
) {
  const wasSent = new Set((reader.sent_to ?? []).map(deviceKey))
  return unacked
    .filter((device) => wasSent.has(device))
    .flatMap((device) =>
      triggerPush(
        reader.user_id,
        parseDeviceKey(device),
        ref,
        event.PushReason.PUSH_REASON_UNACKED,
        first_time,
        msg_type,
      ),
    )
}

/** Whoever is away may be back by the next check. Not so for groups: most members of a large one are always away. */
const checksAbsent = ({ ref }: event.ICheckEntry): boolean =>
  ref.session_type === CIM.Def.CIMSessionType.kCIM_SESSION_TYPE_SINGLE

/** These readers once more, at the next delay. Not by emit(): the topic is one of two, with the same payload. */
function checkAgain(
  next: NextCheck,
  attempt: number,
  message: event.ICheckEntry,
  readers: readonly event.ICheckReader[],
): EmitOf<NextCheck>[] {
  const entry = checkEntries(message, readers).map((each) => passOn(message, each))
  if (entry.length === 0) return []
  return [{ kind: 'emit', topic: next, event: { attempt: attempt + 1, entry } } as EmitOf<NextCheck>]
}
