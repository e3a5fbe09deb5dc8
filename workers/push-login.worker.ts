/** Whoever comes online is given what was stored for it meanwhile, and what is on its way (spec 3, "store"). */
import { deviceKey } from '../schemas/ids.js'
import { topics } from '../schemas/topics.js'
import { pushTo } from './kit/pushes.js'
import { defineWorker } from './kit/worker.js'
import type { Presence, PresentDevice } from './ports/presence.js'
import type { Pushes, WaitingPush } from './ports/pushes.js'

interface Ports {
  readonly pushes: Pushes
  readonly presence: Presence
  /** ms */
  readonly now: () => number
}

interface Loaded {
  readonly waiting: ReadonlyMap<number, readonly WaitingPush[]>
  readonly present: ReadonlyMap<number, readonly PresentDevice[]>
}

/** Of one user at one login: a device that reads slowly must not be closed for it. The rest comes at the next. */
const atOnce_bytes = 512 * 1_024

export const pushLogin = defineWorker({
  name: 'push-login',
  consumes: topics.presenceChanged,
  eventsAtOnce: 100,
  produces: [topics.gateOutbound],

  async load(changes, { pushes, presence, now }: Ports): Promise<Loaded> {
    const users = changes.filter(({ state }) => state === 'online').map(({ user_id }) => Number(user_id))
    const waiting = await pushes.waiting(users, now(), atOnce_bytes)
    const present = waiting.size === 0 ? new Map() : await presence.of([...waiting.keys()])
    return { waiting, present }
  },

  decide({ user_id, client_type, device_id, state, time }, { waiting, present }) {
    if (state !== 'online') return []
    const device = deviceKey(device_id === undefined ? { client_type } : { client_type, device_id })
    const came = (present.get(Number(user_id)) ?? []).filter((each) => deviceKey(each.device) === device)
    // What was asked for after the login went to this device with the others.
    const due = (waiting.get(Number(user_id)) ?? []).filter((push) => !push.sent || push.created < time)
    return due.flatMap((push) => pushTo(came, push))
  },
})
