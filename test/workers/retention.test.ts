/** The job that removes what is too old: which settings remove what, and how a walk goes on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '../../schemas/config.js'
import type { Retention, WalkState } from '../../workers/ports/retention.js'
import { type RetentionSettings, removeOld } from '../../workers/retention.js'
import { silentLog } from '../helpers/log.js'

const day_ms = 86_400_000
const off = {
  RETENTION_PUSHES_DAYS: '0',
  RETENTION_PUSH_LEDGER_DAYS: '0',
  RETENTION_DEVICES_DAYS: '0',
}
const never = new AbortController().signal

/** A database of three pages of users and of conversations. `asked` gets each call, with how old is too old, in days. */
function world(env: NodeJS.ProcessEnv = {}, walks = new Map<string, WalkState>()) {
  const asked: string[] = []
  const counted: string[] = []
  const daysAgo = (before: number) => Math.round((Date.now() - before) / day_ms)
  const left = new Map<string, number>()
  /** Some the first time, none from then on. */
  const once = (call: string, some: number) => {
    asked.push(call)
    const removed = left.get(call) ?? some
    left.set(call, 0)
    return removed
  }
  const retention: Retention = {
    walk: async (walk) => walks.get(walk),
    noteWalk: async (walk, state) => void walks.set(walk, state),
    async conversations(after, before) {
      asked.push(`conversations after ${after || 'none'}, ${daysAgo(before)}`)
      const last = { '': 'c1', c1: 'c2', c2: 'c3' }[after]
      return { due: last === 'c2' ? ['c:1:2'] : [], last }
    },
    async removeMessages(conversation) {
      const removed = once(`messages ${conversation}`, 5)
      return { removed, more: removed > 0 }
    },
    users: async (after) => (after < 30 ? [after + 5, after + 10] : []),
    removeEmptySpans: async (users) => once(`spans ${users}`, 1),
    removeDeliveries: async (users, before) => once(`deliveries ${users}, ${daysAgo(before)}`, 6),
    removeGroupAcks: async (users) => once(`group acks ${users}`, 7),
    removeLedger: async (users, before) => once(`ledger ${users}, ${daysAgo(before)}`, 2),
    async removeDevices(users, before) {
      asked.push(`devices ${users}, ${daysAgo(before)}`)
      return { devices: 1, tokens: 2 }
    },
    removePushes: async (before) => once(`pushes, ${daysAgo(before)}`, 3),
    removeWaitingEvents: async () => once('waiting', 4),
  }
  const settings: RetentionSettings = {
    retention,
    locks: {
      async once(_name, _limit, work) {
        await work()
        return true
      },
    },
    config: readConfig(env),
    metrics: { count: (name, ...rest: unknown[]) => void counted.push(`${name} ${JSON.stringify(rest)}`) },
    log: silentLog,
  }
  return { settings, asked, counted, walks }
}

test('unless it is set, messages are kept for ever; pushes, notifications and devices are not', async () => {
  const { settings, asked, counted } = world()
  await removeOld(settings, never)
  assert.deepEqual(asked, [
    'waiting',
    'waiting',
    'pushes, 30',
    'pushes, 30',
    ...['5,10', '15,20', '25,30'].flatMap((page) => [
      `ledger ${page}, 90`,
      `ledger ${page}, 90`,
      `devices ${page}, 365`,
    ]),
  ])
  assert.deepEqual(counted.slice(0, 3), [
    'retention_removed [{"kind":"webhook_queue"},4]',
    'retention_removed [{"kind":"pushes"},3]',
    'retention_removed [{"kind":"push_ledger"},2]',
  ])
})

test('with everything off only what waits for nothing goes', async () => {
  const { settings, asked } = world(off)
  await removeOld(settings, never)
  assert.deepEqual(asked, ['waiting', 'waiting'])
})

test('messages go conversation by conversation, until nothing is old in it', async () => {
  const { settings, asked } = world({ ...off, RETENTION_MESSAGES_DAYS: '40' })
  await removeOld(settings, never)
  assert.deepEqual(asked.slice(2), [
    ...['5,10', '15,20', '25,30'].flatMap((page) => [`spans ${page}`, `group acks ${page}`]),
    'conversations after none, 40',
    'conversations after c1, 40',
    'messages c:1:2',
    'messages c:1:2',
    'conversations after c2, 40',
    'conversations after c3, 40',
  ])
})

test('delivery rows go without their messages, of some users at a time, and are counted', async () => {
  const { settings, asked, counted } = world({ ...off, RETENTION_DELIVERIES_DAYS: '30' })
  const users = Array.from({ length: 21 }, (_, at) => at + 1)
  const retention = { ...settings.retention, users: async (after: number) => (after === 0 ? users : []) }
  await removeOld({ ...settings, retention }, never)
  assert.deepEqual(asked.slice(2), [
    `deliveries ${users.slice(0, 20)}, 30`,
    `deliveries ${users.slice(0, 20)}, 30`,
    'deliveries 21, 30',
    'deliveries 21, 30',
    `group acks ${users}`,
  ])
  assert.deepEqual(
    counted.slice(1),
    [6, 6, 7].map((rows) => `retention_removed [{"kind":"deliveries"},${rows}]`),
  )
})

test('a run that was stopped is continued where it was, and a walk that is over begins again a day later', async () => {
  const stop = new AbortController()
  const { settings, asked, walks } = world({ ...off, RETENTION_MESSAGES_DAYS: '40' })
  const removeMessages = settings.retention.removeMessages
  const stopping = {
    ...settings.retention,
    async removeMessages(...given: Parameters<Retention['removeMessages']>) {
      stop.abort()
      return removeMessages(...given)
    },
  }
  await removeOld({ ...settings, retention: stopping }, stop.signal)
  assert.equal(asked.at(-1), 'messages c:1:2')
  assert.equal(walks.get('conversations')?.position, 'c1')

  asked.length = 0
  await removeOld(settings, never)
  assert.deepEqual(
    asked.filter((call) => call.startsWith('conv')),
    ['c1', 'c2', 'c3'].map((after) => `conversations after ${after}, 40`),
  )

  asked.length = 0
  await removeOld(settings, never)
  assert.deepEqual(asked, ['waiting'])
  for (const [walk, state] of walks) walks.set(walk, { ...state, begun: state.begun - day_ms })
  await removeOld(settings, never)
  assert.ok(asked.includes('conversations after none, 40'))
})

test('a run that fails says what it had removed before', async () => {
  const { settings } = world()
  const said: unknown[] = []
  const failing = {
    ...settings,
    retention: { ...settings.retention, removePushes: () => Promise.reject(new Error('the disk is full')) },
    log: { ...silentLog, info: (fields: object) => void said.push(fields) },
  }
  await assert.rejects(removeOld(failing, never), /the disk is full/)
  assert.deepEqual(said, [{ removed: { webhook_queue: 4 } }])
})

test('one process at a time removes anything', async () => {
  const { settings, asked } = world()
  await removeOld({ ...settings, locks: { once: async () => false } }, never)
  assert.deepEqual(asked, [])
})

for (const [name, value] of [
  ['RETENTION_MESSAGES_DAYS', '7'],
  ['RETENTION_MESSAGES_DAYS', '-1'],
  ['RETENTION_MESSAGES_DAYS', '1.5'],
  ['RETENTION_DELIVERIES_DAYS', '7'],
  ['RETENTION_PUSHES_DAYS', '29'],
  ['RETENTION_PUSH_LEDGER_DAYS', '3'],
  ['RETENTION_DEVICES_DAYS', '1'],
  ['RETENTION_CRON', 'daily'],
] as const)
  test(`${name}=${value} is refused`, () => {
    assert.throws(() => readConfig({ [name]: value }), new RegExp(name))
  })
