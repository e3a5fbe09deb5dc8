/**
 * What is older than its RETENTION_… setting is removed from the database, by cron and one process at a time
 * (docs/operate/retention.md). Each step removes some rows and then rests, so that nobody waits for it; a run that is
 * over before all was looked at is continued by the next one.
 */
import type { Config } from '../schemas/config.js'
import type { Logger } from '../schemas/log.js'
import type { Metrics } from '../schemas/metrics.js'
import type { Locks } from './ports/presence.js'
import type { Retention, Walk } from './ports/retention.js'

const day_ms = 86_400_000
const runLimit_ms = 1_800_000
/** Of a run, with its last step. */
const lockLimit_ms = runLimit_ms + 60_000
/** A walk over everything begins once a day at the most. */
const betweenWalks_ms = day_ms - 1_800_000
/** How long it rests after a step, in times of what the step took: at most a quarter of one connection is used. */
const restPerWork = 3
/** Whose delivery rows one step removes. */
const deliveriesOfUsers = 20

export interface RetentionSettings {
  readonly retention: Retention
  readonly locks: Locks
  readonly config: Pick<
    Config,
    | 'RETENTION_CRON'
    | 'RETENTION_MESSAGES_DAYS'
    | 'RETENTION_DELIVERIES_DAYS'
    | 'RETENTION_PUSHES_DAYS'
    | 'RETENTION_PUSH_LEDGER_DAYS'
    | 'RETENTION_DEVICES_DAYS'
  >
  readonly metrics: Pick<Metrics, 'count'>
  readonly log: Logger
}

/** One step after the other, until the run is over. */
interface Run {
  readonly begun: number
  /** @throws RunOver instead of working, where the run's time is over or it was stopped */
  step<Result>(work: () => Promise<Result>): Promise<Result>
  count(kind: Kind, removed: number): void
}

class RunOver extends Error {}

type Kind =
  | 'messages'
  | 'timeline'
  | 'deliveries'
  | 'pushes'
  | 'push_ledger'
  | 'devices'
  | 'push_tokens'
  | 'webhook_queue'

/** Starts the job; `stop` ends it after the step in hand. */
export function startRetention(
  settings: RetentionSettings & {
    /** Runs `job` by a cron expression; answers how to stop it. */
    readonly schedule: (cron: string, job: () => Promise<void>) => () => void
  },
) {
  const stopping = new AbortController()
  let running: Promise<void> = Promise.resolve()
  const stopJob = settings.schedule(settings.config.RETENTION_CRON, () => {
    running = removeOld(settings, stopping.signal)
    return running
  })
  return {
    isReady: () => true,
    async stop(): Promise<void> {
      stopJob()
      stopping.abort()
      await running.catch(() => {}) // the schedule has logged it
    },
  }
}

/** One run. Exported for its test. */
export async function removeOld(settings: RetentionSettings, stopped: AbortSignal): Promise<void> {
  const { locks, metrics, log } = settings
  const removed: Partial<Record<Kind, number>> = {}
  const work = async () => {
    const run: Run = {
      begun: Date.now(),
      step: createSteps(stopped),
      count(kind, by) {
        if (by === 0) return
        metrics.count('retention_removed', { kind }, by)
        removed[kind] = (removed[kind] ?? 0) + by
      },
    }
    try {
      await removePushes(settings, run)
      await walkUsers(settings, run)
      await walkConversations(settings, run)
    } catch (error) {
      if (!(error instanceof RunOver)) throw error
    } finally {
      if (Object.keys(removed).length > 0) log.info({ removed }, 'removed what was too old')
    }
  }
  await locks.once('retention', lockLimit_ms, work)
}

function createSteps(stopped: AbortSignal): Run['step'] {
  const end = Date.now() + runLimit_ms
  return async (work) => {
    if (stopped.aborted || Date.now() >= end) throw new RunOver()
    const begun = Date.now()
    const result = await work()
    await rest((Date.now() - begun) * restPerWork, stopped)
    return result
  }
}

const rest = (ms: number, stopped: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (ms === 0 || stopped.aborted) return resolve()
    const woken = () => {
      clearTimeout(timer)
      stopped.removeEventListener('abort', woken)
      resolve()
    }
    const timer = setTimeout(woken, ms)
    stopped.addEventListener('abort', woken)
  })

/** Until a step removes nothing. */
async function removeAll(run: Run, kind: Kind, step: () => Promise<number>): Promise<void> {
  for (let removed = 1; removed > 0; ) {
    removed = await run.step(step)
    run.count(kind, removed)
  }
}

async function removePushes({ retention, config }: RetentionSettings, run: Run): Promise<void> {
  await removeAll(run, 'webhook_queue', retention.removeWaitingEvents)
  const before = beforeOf(run, config.RETENTION_PUSHES_DAYS)
  if (before !== undefined) await removeAll(run, 'pushes', () => retention.removePushes(before))
}

/** What belongs to users: delivery state, notifications, devices, the parts of timelines that are empty. */
function walkUsers(settings: RetentionSettings, run: Run): Promise<void> {
  const { retention, config } = settings
  const ledgerBefore = beforeOf(run, config.RETENTION_PUSH_LEDGER_DAYS)
  const devicesBefore = beforeOf(run, config.RETENTION_DEVICES_DAYS)
  return walk(settings, run, 'users', async (position) => {
    const users = await run.step(() => retention.users(Number(position)))
    if (users.length === 0) return undefined
    if (ledgerBefore !== undefined)
      await removeAll(run, 'push_ledger', () => retention.removeLedger(users, ledgerBefore))
    if (devicesBefore !== undefined) {
      const { devices, tokens } = await run.step(() => retention.removeDevices(users, devicesBefore))
      run.count('devices', devices)
      run.count('push_tokens', tokens)
    }
    if (config.RETENTION_MESSAGES_DAYS > 0)
      run.count('timeline', await run.step(() => retention.removeEmptySpans(users)))
    await removeDeliveries(settings, run, users)
    return String(users.at(-1))
  })
}

/** Of fewer users at a time: each step looks at all of their groups. */
async function removeDeliveries(
  { retention, config }: RetentionSettings,
  run: Run,
  users: readonly number[],
): Promise<void> {
  const before = beforeOf(run, config.RETENTION_DELIVERIES_DAYS)
  if (before !== undefined)
    for (let at = 0; at < users.length; at += deliveriesOfUsers) {
      const some = users.slice(at, at + deliveriesOfUsers)
      await removeAll(run, 'deliveries', () => retention.removeDeliveries(some, before))
    }
  if (before !== undefined || config.RETENTION_MESSAGES_DAYS > 0)
    run.count('deliveries', await run.step(() => retention.removeGroupAcks(users)))
}

async function walkConversations(settings: RetentionSettings, run: Run): Promise<void> {
  const { retention, config } = settings
  const before = beforeOf(run, config.RETENTION_MESSAGES_DAYS)
  if (before === undefined) return
  await walk(settings, run, 'conversations', async (position) => {
    const { due, last } = await run.step(() => retention.conversations(position, before))
    for (const conversation of due)
      for (let more = true; more; ) {
        const step = await run.step(() => retention.removeMessages(conversation, before))
        run.count('messages', step.removed)
        more = step.more
      }
    return last
  })
}

/** ms; undefined: kept for ever. */
const beforeOf = (run: Run, days: number): number | undefined =>
  days === 0 ? undefined : run.begun - days * day_ms

/**
 * Goes on where the last run ended; a new walk begins a day after the last one began.
 * @param page looks at what comes after this position; answers the position after it, undefined where that was all
 */
async function walk(
  { retention }: RetentionSettings,
  run: Run,
  name: Walk,
  page: (position: string) => Promise<string | undefined>,
): Promise<void> {
  const last = await retention.walk(name)
  const begins = last === undefined || last.position === ''
  if (begins && last !== undefined && run.begun - last.begun < betweenWalks_ms) return
  const begun = begins ? run.begun : last.begun
  for (let position = begins ? '' : last.position; ; ) {
    const next = await page(position)
    position = next ?? ''
    await retention.noteWalk(name, { position, begun })
    if (next === undefined) return
  }
}
