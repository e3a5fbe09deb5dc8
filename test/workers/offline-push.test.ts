/** Who is notified, of what, and how often: spec 2, "Offline push". */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coffeechat } from '../../proto/index.js'
import { type DeviceName, deviceKey } from '../../schemas/ids.js'
import { offlinePush, type PushPorts } from '../../workers/offline-push.worker.js'
import type { CopyKey, MessageForReader } from '../../workers/ports/messages.js'
import type {
  Notification,
  Notified,
  PushKey,
  PushLedger,
  PushOutcome,
  PushTarget,
} from '../../workers/ports/push.js'
import type { User } from '../../workers/ports/users.js'

const { PUSH_REASON_OFFLINE, PUSH_REASON_UNACKED } = coffeechat.event.PushReason
type Trigger = coffeechat.event.IPushTriggered

const trigger = (msg_id: string, more: Partial<Trigger> = {}): Trigger => ({
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
  readonly notified?: Partial<Notified>
}

const nameOf = (key: { msg_id: string; device: DeviceName }) => `${key.msg_id} on ${deviceKey(key.device)}`

/** A ledger in memory. */
function ledgerInMemory(told: string[]) {
  const rows = new Map<string, { id: string; outcome?: PushOutcome }>()
  const ledger: PushLedger = {
    async open(openings) {
      told.push(`open ${openings.length}`)
      return openings.map((key) => {
        const row = rows.get(nameOf(key)) ?? { id: `id of ${nameOf(key)}` }
        rows.set(nameOf(key), row)
        return row.outcome === undefined ? row.id : undefined
      })
    },
    async settle(outcomes) {
      told.push(`settle ${outcomes.length}`)
      for (const outcome of outcomes) {
        const row = rows.get(nameOf(outcome))
        if (row) row.outcome = outcome
      }
    },
  }
  const outcomes = () => [...rows].map(([name, { outcome }]) => [name, outcome?.state, outcome?.answer])
  const isSettled = (key: PushKey) => rows.get(nameOf(key))?.outcome !== undefined
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

/** Ports over a world in memory; what they were told lies beside them. */
function around(world: World = {}) {
  const shown: Notification[] = []
  const told: string[] = []
  const { ledger, outcomes, isSettled } = ledgerInMemory(told)
  const target = { logged_out: false, addresses: [], settled: false, unread_total: 4, ...world.target }
  const ports: PushPorts = {
    pushPreview: world.preview ?? true,
    maxAge_ms: 1_000,
    pushTargets: {
      of: async (keys) => keys.map((key) => ({ ...target, settled: isSettled(key) })),
      async remove(dead) {
        told.push(...dead.map((each) => `remove ${each.token}`))
      },
    },
    pushLedger: ledger,
    notifier: {
      async notify(notification) {
        told.push(`notify ${notification.notification_id}`)
        shown.push(notification)
        return { state: 'sent', provider: 'log', answer: 'logged', attempts: 1, dead: [], ...world.notified }
      },
    },
    messages: { of: async (keys) => keys.map((key) => (world.gone ? undefined : messageOf(key))) },
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
  return { ports, shown, told, outcomes }
}

const place = { topic: '', partition: 0, offset: 0, appended: 0 }

/** As the runner: load, decide each, save. */
async function handle(triggers: readonly Trigger[], ports: PushPorts): Promise<void> {
  const loaded = await offlinePush.load?.(
    triggers,
    ports,
    triggers.map(() => place),
  )
  assert.ok(loaded)
  const rows = triggers
    .flatMap((each) => offlinePush.decide(each, loaded, place))
    .flatMap((outcome) => (outcome.kind === 'save' ? [outcome.row] : []))
  if (rows.length > 0)
    await offlinePush.save?.(
      rows,
      ports,
      rows.map(() => place),
    )
}

test("a notification has the sender's name, a preview, the exact badge and the conversation", async () => {
  const { ports, shown } = around()
  await handle([trigger('m')], ports)
  assert.deepEqual(shown, [
    {
      notification_id: 'id of m on 2',
      user_id: 1,
      device: { client_type: 2 },
      title: 'Bob',
      body: 'see you',
      badge: 4,
      collapse_key: 'c:1:2',
      from_user_id: 2,
      session_id: 2,
      msg_id: 'm',
      server_msg_id: 7,
      time: 99,
      expires: 1_099,
    },
  ])
})

test("a group message's notification has the group's name, and says who wrote what", async () => {
  const group_id = 2 ** 48
  const conversation = `g:${group_id}`
  const ref = { ...trigger('m').ref, to_session_id: group_id, session_type: 2, conversation }
  const { ports, shown } = around()
  await handle([trigger('m', { ref })], ports)
  const { title, body, session_id, collapse_key, from_user_id } = shown[0]!
  assert.deepEqual(
    [title, body, session_id, collapse_key, from_user_id],
    [`group ${group_id}`, 'Bob: see you', group_id, conversation, 2],
  )
})

test('without previews the text is not shown', async () => {
  const { ports, shown } = around({ preview: false })
  await handle([trigger('m')], ports)
  assert.equal(shown[0]?.body, 'New message')
})

test('a message is notified once per device, however often and why it is triggered', async () => {
  const { ports, shown } = around()
  const tablet = { device: { client_type: 2, device_id: 'tablet' } }
  await handle([trigger('m'), trigger('m', { reason: PUSH_REASON_UNACKED }), trigger('m', tablet)], ports)
  await handle([trigger('m'), trigger('m', tablet)], ports)
  assert.deepEqual(
    shown.map((each) => each.notification_id),
    ['id of m on 2', 'id of m on 2:tablet'],
  )
})

test('the ledger knows of a notification before its provider does', async () => {
  const { ports, told } = around()
  await handle([trigger('m')], ports)
  assert.deepEqual(told, ['open 1', 'notify id of m on 2', 'settle 1'])
})

test('what a worker left pending is notified again with the same id', async () => {
  const { ports, shown } = around()
  const dying: PushPorts = {
    ...ports,
    pushLedger: { ...ports.pushLedger, settle: () => Promise.reject(new Error('killed')) },
  }
  await assert.rejects(handle([trigger('m')], dying), /killed/)
  await handle([trigger('m')], ports)
  assert.deepEqual(
    shown.map((each) => each.notification_id),
    ['id of m on 2', 'id of m on 2'],
  )
})

for (const [why, world] of [
  ['logged out', { target: { logged_out: true } }],
  ['message is gone', { gone: true }],
  ['read', { read: true }],
  ['acked', { acked_by: ['2'] }],
  ['acked', { pending: true }],
] as const)
  test(`nobody is notified where: ${why} ${JSON.stringify(world)}`, async () => {
    const { ports, shown, outcomes } = around(world)
    await handle([trigger('m')], ports)
    assert.deepEqual(shown, [])
    assert.deepEqual(outcomes(), [['m on 2', 'suppressed', why]])
  })

test('an ack of another device silences nobody', async () => {
  const { ports, shown } = around({ acked_by: ['6', '2:tablet'] })
  await handle([trigger('m')], ports)
  assert.equal(shown.length, 1)
})

test("one's own message is no news, and leaves no row", async () => {
  const { ports, told } = around()
  await handle([trigger('m', { reader_user_id: 2 })], ports)
  assert.deepEqual(told, [])
})

test('what could not be sent has failed with the answer of the provider', async () => {
  const { ports, outcomes } = around({ notified: { state: 'failed', answer: 'HTTP 500' } })
  await handle([trigger('m')], ports)
  assert.deepEqual(outcomes(), [['m on 2', 'failed', 'HTTP 500']])
})

test('a token that the provider calls dead is removed, and the phone forgotten', async () => {
  const { ports, told } = around({ notified: { dead: [{ provider: 'apns', token: 't' }] } })
  await handle([trigger('m')], ports)
  assert.deepEqual(told.slice(-2), ['remove t', 'forget 1'])
})

test('many triggers are opened and settled in steps', async () => {
  const { ports, told, shown } = around()
  await handle(
    Array.from({ length: 150 }, (_, at) => trigger(`m${at}`)),
    ports,
  )
  assert.equal(shown.length, 150)
  assert.deepEqual(
    told.filter((each) => !each.startsWith('notify')),
    ['open 64', 'settle 64', 'open 64', 'settle 64', 'open 22', 'settle 22'],
  )
})
