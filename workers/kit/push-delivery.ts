/** Some receivers of one push: written to where they are online, treated by the push's rule where they are not. */
import { coffeechat } from '../../proto/index.js'
import type { DeviceName } from '../../schemas/ids.js'
import { topics } from '../../schemas/topics.js'
import type { PhoneDirectory, Presence, PresentDevice } from '../ports/presence.js'
import type { Pushes, ReceiverChange, ReceiverState, StoredPush } from '../ports/pushes.js'
import { pushTo, toldUnreached, unreached } from './pushes.js'
import { defineWorker, type EmitOf, emit, reject, save } from './worker.js'

import event = coffeechat.event

export interface PushDeliveryPorts {
  readonly pushes: Pushes
  readonly presence: Presence
  readonly phones: PhoneDirectory
  /** ms */
  readonly now: () => number
}

interface Loaded {
  readonly now: number
  readonly pushes: ReadonlyMap<string, StoredPush>
  readonly present: ReadonlyMap<number, readonly PresentDevice[]>
  readonly phones: ReadonlyMap<number, readonly DeviceName[]>
}

interface Row {
  readonly push: StoredPush
  readonly receivers: readonly ReceiverChange[]
  readonly present: Loaded['present']
  readonly phones: Loaded['phones']
  readonly now: number
}

interface Saved {
  readonly states: readonly ReceiverState[]
  /** Devices of those who are stored for, and came online meanwhile. */
  readonly arrived: readonly PresentDevice[]
}

type ChunkTopic = typeof topics.pushFanout | typeof topics.pushBroadcast

/** The worker of one of the two topics. To everyone online: gates write it themselves, and who is gone by now is left out. */
export const pushDelivery = (name: string, consumes: ChunkTopic, { toEveryone }: { toEveryone: boolean }) =>
  defineWorker({
    name,
    consumes,
    // Each part is on its way to the sockets before the next.
    eventsAtOnce: 4,
    produces: [topics.gateOutbound, topics.pushCheck5s, topics.pushResult, topics.pushTriggered],

    async load(chunks, ports: PushDeliveryPorts): Promise<Loaded> {
      const users = chunks.flatMap(({ user_id }) => user_id ?? [])
      const [pushes, present] = await Promise.all([
        ports.pushes.of(chunks.map(({ push_id }) => push_id)),
        ports.presence.of(users),
      ])
      const toNotify = chunks
        .filter(({ push_id }) => pushes.get(push_id)?.offline === 'notify')
        .flatMap(({ user_id }) => user_id ?? [])
        .filter((user) => !present.has(user))
      const phones = toNotify.length === 0 ? new Map() : await ports.phones.of(toNotify)
      return { now: ports.now(), pushes, present, phones }
    },

    decide({ push_id, user_id }, { pushes, present, phones, now }) {
      const push = pushes.get(push_id)
      if (push === undefined) return [reject('the push is kept no more')]
      const users = (user_id ?? []).filter((user) => !toEveryone || present.has(user))
      const receivers = users.map((user): ReceiverChange => {
        const isReachable = present.has(user) && push.expires > now
        if (isReachable) return { push_id, user_id: user, expires: push.expires, state: 'open' }
        return unreached(push, user, phones.get(user) ?? [], now)
      })
      return receivers.length === 0 ? [] : [save<Row>({ push, receivers, present, phones, now })]
    },

    async save(rows: readonly Row[], { pushes, presence }: PushDeliveryPorts): Promise<Saved[]> {
      const states = await pushes.address(rows.flatMap(({ receivers }) => receivers))
      const saved: Saved[] = []
      let at = 0
      for (const { receivers } of rows) {
        const own = states.slice(at, at + receivers.length)
        at += receivers.length
        // Who came online before the row was there has been asked for it in vain.
        const stored = receivers.filter((_, index) => own[index] === 'stored').map(({ user_id }) => user_id)
        const arrived = stored.length === 0 ? [] : [...(await presence.of(stored)).values()].flat()
        saved.push({ states: own, arrived })
      }
      return saved
    },

    saved: ({ push, receivers, present, phones, now }, { states, arrived }: Saved) => {
      const changes = receivers.map((each, at) => ({ ...each, state: states[at] ?? each.state }))
      const open = changes.filter(({ state }) => state === 'open').map(({ user_id }) => user_id)
      const due = toEveryone ? [] : open.flatMap((user) => present.get(user) ?? [])
      return [
        ...pushTo([...due, ...arrived], push),
        ...(open.length === 0 ? [] : [firstCheck(push, open)]),
        ...changes.flatMap((each) => toldUnreached(push, each, phones.get(each.user_id) ?? [], now)),
      ]
    },
  })

const firstCheck = ({ push_id }: StoredPush, user_id: number[]): EmitOf<typeof topics.pushCheck5s> =>
  emit(topics.pushCheck5s, { push_id, user_id } satisfies event.IPushCheck)
