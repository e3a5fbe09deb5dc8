/**
 * Finds a consumer that has stopped without saying so. kafkajs may stop fetching while its heartbeats go on, or
 * go on fetching without being a member of its group any more; only a new process cures it.
 */
import type { Logger } from '../../schemas/log.js'

const check_ms = 10_000
const stuck_ms = 60_000
/** So many looks in a row must find it: after an outage or a frozen process, joining again takes a while. */
const enoughLooks = 3
/** Fetching goes on, but the group has not heard of us for several sessions. */
const memberless_ms = 40_000

export interface Watchdog {
  /** Joined, an offset done, a slice of a declared wait. */
  progress(): void
  /** The brokers answered a fetch. */
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
}

/** Decides from the times (ms) of the last signs of life; `asks` when only the brokers can tell. */
export function judge(
  now: number,
  last: { progress: number; fetched: number; member: number },
): 'alive' | 'memberless' | 'ask for lag' {
  if (now - last.member > memberless_ms && last.fetched - last.member > memberless_ms) return 'memberless'
  if (now - Math.max(last.progress, last.fetched) > stuck_ms) return 'ask for lag'
  return 'alive'
}

/** Begins to watch a consumer. */
export function watch({ group, log, hasLag, onDead }: WatchdogOptions): Watchdog {
  const started = Date.now()
  const last = { progress: started, fetched: started, member: started }
  let asking = false
  let suspected = 0

  function suspect(reason: string): void {
    suspected += 1
    if (suspected >= enoughLooks) onDead(`group ${group}: ${reason}`)
  }

  async function askForLag(): Promise<void> {
    asking = true
    try {
      if (!(await hasLag()) || judge(Date.now(), last) === 'alive') suspected = 0
      else suspect(`records wait, but nothing was fetched or done for ${stuck_ms / 1_000} s`)
    } catch (error) {
      // The brokers are away: that is no fault of this consumer.
      suspected = 0
      log.debug({ group, reason: (error as Error).message }, 'lag unknown')
    } finally {
      asking = false
    }
  }

  const timer = setInterval(() => {
    const verdict = judge(Date.now(), last)
    if (verdict === 'alive') suspected = 0
    else if (verdict === 'memberless') suspect('fetching without being a member')
    else if (!asking) void askForLag()
  }, check_ms)
  timer.unref()

  return {
    progress: () => {
      last.progress = Date.now()
    },
    fetched: () => {
      last.fetched = Date.now()
    },
    member: () => {
      last.member = Date.now()
    },
    stop: () => clearInterval(timer),
  }
}
