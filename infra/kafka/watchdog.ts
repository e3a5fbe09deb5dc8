/**
 * Finds a consumer that has stopped without saying so. kafkajs may stop fetching while its heartbeats go on, or
 * go on fetching without being a member of its group any more; only a new process cures it.
 */
import type { Logger } from '../../schemas/log.js'

const check_ms = 10_000
const stuck_ms = 60_000
/** Fetching goes on, but the group has not heard of us for several sessions. */
const memberless_ms = 40_000

export interface Watchdog {
  /** An offset done, a fetch answered, a slice of a declared wait. */
  progress(): void
  fetched(): void
  /** The group answered a join or a heartbeat. */
  member(): void
  stop(): void
}

export interface WatchdogOptions {
  readonly group: string
  readonly log: Logger
  /** Asks the brokers whether records wait for us. */
  readonly hasLag: () => Promise<boolean>
  readonly onDead: (reason: string) => void
  readonly now?: () => number
}

/** Decides from the times (ms) of the last signs of life; `asks` when only the brokers can tell. */
export function judge(
  now: number,
  last: { progress: number; fetched: number; member: number },
): 'alive' | 'memberless' | 'ask for lag' {
  if (now - last.member > memberless_ms && last.fetched - last.member > memberless_ms) return 'memberless'
  if (now - Math.max(last.progress, last.fetched, last.member - stuck_ms) > stuck_ms) return 'ask for lag'
  return 'alive'
}

/** Begins to watch a consumer; `now` answers in ms. */
export function watch({ group, log, hasLag, onDead, now = Date.now }: WatchdogOptions): Watchdog {
  const started = now()
  const last = { progress: started, fetched: started, member: started }
  let asking = false

  async function ask(): Promise<void> {
    asking = true
    try {
      if ((await hasLag()) && judge(now(), last) === 'ask for lag')
        onDead(`group ${group}: records wait, but nothing was fetched or done for ${stuck_ms / 1_000} s`)
    } catch (error) {
      // The brokers are away: that is no fault of this consumer.
      log.debug({ group, reason: (error as Error).message }, 'lag unknown')
    } finally {
      asking = false
    }
  }

  const timer = setInterval(() => {
    const verdict = judge(now(), last)
    if (verdict === 'memberless') onDead(`group ${group}: fetching without being a member`)
    else if (verdict === 'ask for lag' && !asking) void ask()
  }, check_ms)
  timer.unref()

  return {
    progress: () => {
      last.progress = now()
    },
    fetched: () => {
      last.fetched = now()
    },
    member: () => {
      last.member = now()
    },
    stop: () => clearInterval(timer),
  }
}
