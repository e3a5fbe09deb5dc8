/**
 * A trigger becomes at most one notification per message and device (spec 2, "Offline push"). Its ledger row is
 * committed before the provider is called: a worker that dies in between repeats the same notification. What no
 * provider has answered is tried again from the delay topics, with the rules asked anew.
 */
import type { coffeechat } from '../proto/index.js'
import { deviceKey, groupOf } from '../schemas/ids.js'
import { type Topic, topics } from '../schemas/topics.js'
import { type PushRow, type RoundPorts, type RoundResult, runRounds } from './kit/push-rounds.js'
import { notificationOf, type PushFacts, type PushScene, suppressionOf } from './kit/push-rules.js'
import { defineWorker, type EmitOf, save } from './kit/worker.js'
import type { CopyKey, DeliveryStates, MessageReader } from './ports/messages.js'
import type { AckLookup } from './ports/presence.js'
import type { GroupNames, PushAsked, PushTarget, PushTargets } from './ports/push.js'
import type { UserDirectory } from './ports/users.js'

type Trigger = coffeechat.event.IPushTriggered
type RetryTopic = typeof topics.pushRetry10s | typeof topics.pushRetry60s | typeof topics.pushRetry600s

export interface PushPorts extends RoundPorts {
  readonly pushTargets: PushTargets
  readonly messages: MessageReader
  readonly states: DeliveryStates
  readonly pending: AckLookup
  readonly users: UserDirectory
  readonly groupNames: GroupNames
  /** False: notifications do not show what was written. */
  readonly pushPreview: boolean
  /** How long a record of each retry topic waits. */
  readonly pushDelays_ms: readonly number[]
  /** After that long a notification is of no use. */
  readonly maxAge_ms: number
  /** ms */
  readonly now: () => number
}

/** A trigger, and how often it was tried. */
interface Asked {
  readonly trigger: Trigger
  readonly round: number
  /** ms: the provider asked not to be asked before. */
  readonly not_before: number
}

interface Loaded extends PushScene {
  /** Of triggers that may still be notified. */
  readonly facts: ReadonlyMap<Trigger, PushFacts>
  readonly delays_ms: readonly number[]
}

/** A row, and what it takes to try it again. */
interface Row extends PushRow {
  readonly asked: Asked
  readonly delays_ms: readonly number[]
  readonly now: number
}

const retryTopics: readonly RetryTopic[] = [topics.pushRetry10s, topics.pushRetry60s, topics.pushRetry600s]

const askedBy = ({ triggered, round, not_before }: coffeechat.event.IPushRetry): Asked => ({
  trigger: triggered,
  round,
  not_before: not_before ?? 0,
})

export const offlinePush = pushWorker('offline-push', topics.pushTriggered, (trigger) => ({
  trigger,
  round: 0,
  not_before: 0,
}))
export const offlinePush10s = pushWorker('offline-push-10s', topics.pushRetry10s, askedBy)
export const offlinePush60s = pushWorker('offline-push-60s', topics.pushRetry60s, askedBy)
export const offlinePush600s = pushWorker('offline-push-600s', topics.pushRetry600s, askedBy)

function pushWorker<Name extends string, Event extends object>(
  name: string,
  consumes: Topic<Name, Event>,
  askedOf: (event: Event) => Asked,
) {
  return defineWorker({
    name,
    consumes,
    produces: retryTopics,

    load: (events: readonly Event[], ports: PushPorts) => load(events.map(askedOf), ports),

    decide(event, loaded: Loaded, { trace }) {
      const asked = askedOf(event)
      const { trigger, round, not_before } = asked
      const { now, delays_ms } = loaded
      const facts = loaded.facts.get(trigger)
      if (facts === undefined) return []
      if (not_before > now) return [emitAgain(asked, round, not_before - now, loaded)]
      const why = suppressionOf(trigger, facts, loaded)
      return [
        save({
          ...pushAsked(asked),
          reason: reasons[trigger.reason],
          addresses: facts.target.addresses,
          show: why === undefined ? notificationOf(trigger, facts, loaded) : { suppressed: why },
          asked,
          delays_ms,
          now,
          trace,
        }),
      ]
    },

    save: (rows: readonly Row[], ports: PushPorts): Promise<readonly RoundResult[]> => runRounds(rows, ports),

    saved: (row: Row, result: RoundResult) =>
      result.kind === 'again' ? [emitAgain(row.asked, result.round, result.pause_ms, row)] : [],

    givenUp: (_row: Row, result: RoundResult) =>
      result.kind === 'given-up' ? `given up: ${result.answer}` : undefined,
  })
}

const reasons: Readonly<Record<coffeechat.event.PushReason, string>> = {
  1: 'offline',
  2: 'unacked',
  3: 'missed',
}

/** In the topic of its round, or one that waits as long as the provider asked; what is longer is waited for again. */
function emitAgain(
  { trigger }: Asked,
  round: number,
  pause_ms: number,
  { delays_ms, now }: Pick<Loaded, 'delays_ms' | 'now'>,
): EmitOf<RetryTopic> {
  const last = retryTopics.length - 1
  const usual = Math.min(Math.max(round, 1) - 1, last)
  const longEnough = delays_ms.findIndex((delay_ms) => delay_ms >= pause_ms)
  const topic = retryTopics[longEnough < 0 ? last : Math.max(usual, longEnough)]
  const not_before = pause_ms > 0 ? { not_before: now + pause_ms } : {}
  // Not by emit(): the topic is one of three, with the same payload.
  return { kind: 'emit', topic, event: { triggered: trigger, round, ...not_before } } as EmitOf<RetryTopic>
}

async function load(asked: readonly Asked[], ports: PushPorts): Promise<Loaded> {
  // One's own message is no news.
  const foreign = asked.filter(({ trigger: { reader_user_id, ref } }) => reader_user_id !== ref.from_user_id)
  const targets = await ports.pushTargets.of(foreign.map(pushAsked))
  const open = foreign.flatMap(({ trigger }, at) => {
    const target = targets[at]
    return target === undefined || target.settled ? [] : [{ trigger, target }]
  })
  const { pushPreview: preview, maxAge_ms, pushDelays_ms: delays_ms } = ports
  const scene = { preview, maxAge_ms, delays_ms, now: ports.now() }
  if (open.length === 0) return { facts: new Map(), senders: new Map(), groupNames: new Map(), ...scene }
  const { facts, keys } = await factsOf(open, ports)
  const [senders, groupNames] = await Promise.all([
    ports.users.of([...new Set(keys.map((key) => key.from_user_id))]),
    ports.groupNames.of(keys.flatMap((key) => groupOf(key.conversation) ?? [])),
  ])
  return { facts, senders, groupNames, ...scene }
}

async function factsOf(
  open: readonly { readonly trigger: Trigger; readonly target: PushTarget }[],
  ports: PushPorts,
) {
  const keys = open.map(({ trigger }) => copyKey(trigger))
  const [messages, states, { acked }] = await Promise.all([
    ports.messages.of(keys),
    ports.states.of(keys),
    ports.pending.find(
      open.map(({ trigger: { reader_user_id, device, ref } }) => ({
        reader_user_id,
        device: deviceKey(device),
        from_user_id: ref.from_user_id,
        msg_id: ref.msg_id,
      })),
    ),
  ])
  const facts = new Map(
    open.map(({ trigger, target }, at): [Trigger, PushFacts] => [
      trigger,
      { target, message: messages[at], state: states[at], acked: acked[at] === true },
    ]),
  )
  return { facts, keys }
}

const pushAsked = ({ trigger: { reader_user_id, device, ref }, round }: Asked): PushAsked => ({
  reader_user_id,
  device,
  from_user_id: ref.from_user_id,
  msg_id: ref.msg_id,
  conversation: ref.conversation,
  server_msg_id: ref.server_msg_id,
  round,
})

const copyKey = ({ reader_user_id, ref }: Trigger): CopyKey => ({
  reader_user_id,
  from_user_id: ref.from_user_id,
  msg_id: ref.msg_id,
  conversation: ref.conversation,
  server_msg_id: ref.server_msg_id,
})
