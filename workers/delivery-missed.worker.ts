/**
 * A gate got a message for a login that it does not hold: that presence is wrong and goes, and the message goes
 * the way of a receiver who is offline (spec 2, single chat 6).
 */
import { coffeechat } from '../proto/index.js'
import { type DeviceName, deviceKey } from '../schemas/ids.js'
import { topics } from '../schemas/topics.js'
import { offlinePhones, triggerPush } from './kit/deliveries.js'
import { presenceChanged } from './kit/presence-events.js'
import { defineWorker, save } from './kit/worker.js'
import type { PhoneDirectory, Presence } from './ports/presence.js'

import event = coffeechat.event

interface Ports {
  readonly presence: Presence
  readonly phones: PhoneDirectory
}

interface Saved {
  /** Presence was still this login's. */
  readonly removed: boolean
  /** The device is known, and not online with another login. */
  readonly offlinePhone: DeviceName | undefined
}

export const deliveryMissed = defineWorker({
  name: 'delivery-missed',
  consumes: topics.deliveryMissed,
  produces: [topics.pushTriggered, topics.presenceChanged],

  decide: (missed) => [save(missed)],

  async save(rows: readonly event.IDeliveryMissed[], { presence, phones }: Ports, places): Promise<Saved[]> {
    const users = rows.map(({ login }) => login.user_id)
    // Whoever removed it may have died before saying so: the same record removes it again.
    const removed = await presence.remove(
      rows.map(({ login }) => login),
      places.map(({ topic, partition, offset }) => `${topic}/${partition}/${offset}`),
    )
    const [present, known] = await Promise.all([presence.of(users), phones.of(users)])
    return rows.map(({ login }, at) => ({
      removed: removed[at] === true,
      offlinePhone: offlinePhones(known.get(login.user_id) ?? [], present.get(login.user_id) ?? []).find(
        (phone) => deviceKey(phone) === deviceKey(login.device),
      ),
    }))
  },

  saved({ login, ref, time, msg_type }, { removed, offlinePhone }: Saved) {
    // One's own message on another device is no news.
    const isReader = ref.from_user_id !== login.user_id
    return [
      ...(removed ? [presenceChanged(login, 'offline', time)] : []),
      ...(isReader && offlinePhone
        ? triggerPush(login.user_id, offlinePhone, ref, event.PushReason.PUSH_REASON_MISSED, time, msg_type)
        : []),
    ]
  },
})
