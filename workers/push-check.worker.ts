/**
 * A push that is not acked goes out once more after 5 s; what is not acked 15 s later is treated as if its receiver
 * were offline (spec 3, "For businesses"). One worker for each of the two delays.
 */
import { coffeechat } from '../proto/index.js'
import type { DeviceName } from '../schemas/ids.js'
import { topics } from '../schemas/topics.js'
import { passOn } from './kit/pass-on.js'
import type { PushDeliveryPorts } from './kit/push-delivery.js'
import { pushTo, toldUnreached, unreached } from './kit/pushes.js'
import { defineWorker, emit, save } from './kit/worker.js'
import type { ReceiverChange, StoredPush } from './ports/pushes.js'

import event = coffeechat.event

interface Loaded {
  readonly now: number
  readonly pushes: ReadonlyMap<string, StoredPush>
  /** Of each push the receivers that have not acked. */
  readonly open: ReadonlyMap<string, readonly number[]>
}

type Check = event.IPushCheck

async function loadOpen(checks: readonly Check[], { pushes, now }: PushDeliveryPorts): Promise<Loaded> {
  const asked = checks.flatMap(({ push_id, user_id }) =>
    (user_id ?? []).map((user) => ({ push_id, user_id: user })),
  )
  const found = await pushes.openOf(asked)
  const open = new Map<string, number[]>()
  for (const { push_id, user_id } of found) {
    const users = open.get(push_id)
    if (users) users.push(user_id)
    else open.set(push_id, [user_id])
  }
  return { now: now(), pushes: await pushes.of([...open.keys()]), open }
}

/** Of the users of one check those that have not acked. */
function openIn({ push_id, user_id }: Check, { open }: Loaded): number[] {
  const all = new Set(open.get(push_id))
  return (user_id ?? []).filter((user) => all.has(user))
}

export const pushCheck5s = defineWorker({
  name: 'push-check-5s',
  consumes: topics.pushCheck5s,
  produces: [topics.gateOutbound, topics.pushCheck15s],

  async load(checks, ports: PushDeliveryPorts) {
    const loaded = await loadOpen(checks, ports)
    const present = await ports.presence.of([...loaded.open.values()].flat())
    return { ...loaded, present }
  },

  decide(check, loaded) {
    const push = loaded.pushes.get(check.push_id)
    const users = openIn(check, loaded)
    if (push === undefined || users.length === 0) return []
    const devices = push.expires > loaded.now ? users.flatMap((user) => loaded.present.get(user) ?? []) : []
    return [
      ...pushTo(devices, push),
      emit(topics.pushCheck15s, passOn(check, { push_id: push.push_id, user_id: users })),
    ]
  },
})

interface Row {
  readonly push: StoredPush
  readonly change: ReceiverChange
  readonly phones: readonly DeviceName[]
  readonly time: number
}

export const pushCheck15s = defineWorker({
  name: 'push-check-15s',
  consumes: topics.pushCheck15s,
  produces: [topics.pushResult, topics.pushTriggered],

  async load(checks, ports: PushDeliveryPorts) {
    const loaded = await loadOpen(checks, ports)
    const toNotify = [...loaded.open].flatMap(([push_id, users]) =>
      loaded.pushes.get(push_id)?.offline === 'notify' ? users : [],
    )
    return { ...loaded, phones: await ports.phones.of(toNotify) }
  },

  decide(check, loaded) {
    const push = loaded.pushes.get(check.push_id)
    if (push === undefined) return []
    return openIn(check, loaded).map((user) => {
      const phones = loaded.phones.get(user) ?? []
      return save<Row>({ push, change: unreached(push, user, phones, loaded.now), phones, time: loaded.now })
    })
  },

  save: (rows: readonly Row[], { pushes }: PushDeliveryPorts) =>
    pushes.settle(rows.map(({ change }) => change)),

  saved: ({ push, change, phones, time }, isSettled: boolean) =>
    isSettled ? toldUnreached(push, change, phones, time) : [],
})
