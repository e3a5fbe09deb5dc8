/** A world in memory around the workers of offline push: what they were told, and what follows. */
import { coffeechat } from '../../proto/index.js'
import { type DeviceName, deviceKey } from '../../schemas/ids.js'
import type { AnyTopic, EventOf } from '../../schemas/topics.js'
import type { AnyWorker, Outcome } from '../../workers/kit/worker.js'
import { offlinePush, type PushPorts } from '../../workers/offline-push.worker.js'
import type { CopyKey, MessageForReader } from '../../workers/ports/messages.js'
import type {
  Notification,
  Notified,
  OpenPush,
  PushKey,
  PushLedger,
  PushOutcome,
  PushSettings,
  PushTarget,
} from '../../workers/ports/push.js'
import type { User } from '../../workers/ports/users.js'

const { PUSH_REASON_OFFLINE } = coffeechat.event.PushReason
type Trigger = coffeechat.event.IPushTriggered

export const trigger = (msg_id: string, more: Partial<Trigger> = {}): Trigger => ({
  reader_user_id: 1,
  device: { client_type: 2 },
  ref: {
    from_user_id: 2,
    to_session_id: 1,
    msg_id,
    session_type: 1,
    conversation: 'c:1:2',
    server_msg_id: 7,
  },
  reason: PUSH_REASON_OFFLINE,
  time: 5,
  ...more,
})

interface World {
  readonly target?: Partial<PushTarget>
  readonly gone?: boolean
  readonly read?: boolean
  readonly acked_by?: readonly string[]
  readonly pending?: boolean
  readonly preview?: boolean
  readonly mention?: readonly number[]
  readonly msg_type?: number
  readonly notified?: Partial<Notified>
  /** Notifications of a device in all. */
  readonly rate?: number
  readonly now?: number
}

const nameOf = (key: { msg_id: string; device: DeviceName }) => `${key.msg_id} on ${deviceKey(key.device)}`

/** A ledger in memory. */
function ledgerInMemory(told: string[]) {
  const rows = new Map<string, OpenPush & { outcome?: PushOutcome }>()
  const ledger: PushLedger = {
    async open(openings) {
      told.push(`open ${openings.length}`)
      return openings.map((key) => {
        const name = nameOf(key)
        const row = rows.get(name) ?? { notification_id: `id of ${name}`, round: key.round, provider: null }
        rows.set(name, row)
        const isOpen = row.outcome === undefined || row.outcome.state === 'pending'
        return isOpen ? row : undefined
      })
    },
    async settle(outcomes) {
      told.push(`settle ${outcomes.length}`)
      for (const outcome of outcomes) {
        const row = rows.get(nameOf(outcome))
        if (row === undefined || row.round !== outcome.round) continue
        const { notification_id, round } = row
        const provider = outcome.provider ?? row.provider
        rows.set(nameOf(outcome), { notification_id, round: round + 1, provider, outcome })
      }
    },
  }
  const outcomes = () => [...rows].map(([name, { outcome }]) => [name, outcome?.state, outcome?.answer])
  const isSettled = (key: PushKey) => !['pending', undefined].includes(rows.get(nameOf(key))?.outcome?.state)
  return { ledger, outcomes, isSettled }
}

const bob: User = {
  user_id: 2,
  nick_name: 'Bob',
  avatar_url: null,
  attach_info: null,
  robot_webhook: null,
  token_version: 1,
  active: true,
  created: 0,
  updated: 0,
}

const messageOf = ({ from_user_id, msg_id, server_msg_id }: CopyKey): MessageForReader => ({
  from_user_id,
  to_session_id: 1,
  msg_id,
  server_msg_id,
  msg_type: 1,
  msg_data: Buffer.from('see you'),
  attach: null,
  mention: [],
  stored_time: 99,
})

export const wantsAll: PushSettings = { quiet: null, mentions: true, preview: true }
/** ms */
export const hour_ms = 3_600_000

/** Ports over a world in memory; what they were told lies beside them. */
export function around(world: World = {}) {
  const shown: Notification[] = []
  const from: (string | null | undefined)[] = []
  const told: string[] = []
  const { ledger, outcomes, isSettled } = ledgerInMemory(told)
  const target = {
    logged_out: false,
    active: true,
    muted: false,
    settings: wantsAll,
    superseded: false,
    addresses: [],
    settled: false,
    unread_total: 4,
    ...world.target,
  }
  const rates = new Map<string, number>()
  const ports: PushPorts = {
    pushPreview: world.preview ?? true,
    pushDelays_ms: [10_000, 60_000, 600_000],
    pushRetries: 4,
    maxAge_ms: 24 * hour_ms,
    now: () => world.now ?? 100,
    pushTargets: {
      of: async (keys) => keys.map((key) => ({ ...target, settled: isSettled(key) })),
      async remove(dead) {
        told.push(...dead.map((each) => `remove ${each.token}`))
      },
    },
    pushLedger: ledger,
    pushRates: {
      take: async (devices) =>
        devices.map(({ device }) => {
          const taken = (rates.get(deviceKey(device)) ?? 0) + 1
          rates.set(deviceKey(device), taken)
          return taken <= (world.rate ?? 1_000)
        }),
    },
    notifier: {
      async notify(notification, _addresses, provider) {
        told.push(`notify ${notification.notification_id}`)
        shown.push(notification)
        from.push(provider)
        return {
          outcome: 'sent',
          provider: 'log',
          answer: 'logged',
          attempts: 1,
          dead: [],
          ...world.notified,
        }
      },
    },
    messages: {
      of: async (keys) =>
        keys.map((key) =>
          world.gone
            ? undefined
            : { ...messageOf(key), mention: world.mention ?? [], msg_type: world.msg_type ?? 1 },
        ),
    },
    states: {
      of: async (keys) => keys.map(() => ({ acked_by: world.acked_by ?? [], read: world.read ?? false })),
    },
    pending: {
      find: async (acks) => ({ acked: acks.map(() => world.pending ?? false), handledUntil: 0 }),
    },
    users: { of: async () => new Map([[2, bob]]) },
    groupNames: { of: async (ids) => new Map(ids.map((id) => [id, `group ${id}`])) },
    phones: {
      async forget(users) {
        told.push(`forget ${users.join()}`)
      },
    },
  }
  return { ports, shown, from, told, outcomes }
}

const place = { topic: '', partition: 0, offset: 0, appended: 0 }

/** As the runner: load, decide each, save; what follows, and why an event is given up. */
export async function run<W extends AnyWorker>(
  worker: W,
  events: readonly EventOf<W['consumes']>[],
  ports: PushPorts,
) {
  const loaded: unknown = await worker.load?.(
    events,
    ports,
    events.map(() => place),
  )
  const outcomes = events.flatMap(
    (each) => worker.decide(each, loaded, place) as Outcome<AnyTopic, unknown>[],
  )
  const rows = outcomes.flatMap((outcome) => (outcome.kind === 'save' ? [outcome.row] : []))
  const results: readonly unknown[] =
    rows.length === 0
      ? []
      : ((await worker.save?.(
          rows,
          ports,
          rows.map(() => place),
        )) ?? [])
  return {
    emitted: [
      ...outcomes.filter((outcome) => outcome.kind === 'emit'),
      ...rows.flatMap((row, at) => worker.saved?.(row, results[at]) ?? []),
    ].map(({ topic, event }) => ({ topic: topic.name, event })),
    givenUp: rows.flatMap((row, at) => worker.givenUp?.(row, results[at]) ?? []),
  }
}

export const handle = (triggers: readonly Trigger[], ports: PushPorts) => run(offlinePush, triggers, ports)
