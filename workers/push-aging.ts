/**
 * Stored pushes expire, by cron and beside the role `s2c-push`. Any number of processes may run it; a result is told
 * again where one died between telling and marking.
 */
import type { Bus } from '../schemas/bus.js'
import { createTrouble, type Logger } from '../schemas/log.js'
import { type RecordStyle, recordOf, topics } from '../schemas/topics.js'
import type { Locks } from './ports/presence.js'
import type { PushAging } from './ports/pushes.js'

const everySecond = '* * * * * *'
const perStep = 500
const lockLimit_ms = 30_000

export interface PushAgingSettings extends RecordStyle {
  readonly aging: PushAging
  readonly locks: Locks
  readonly bus: Pick<Bus, 'producer'>
  /** Runs `job` by a cron expression; answers how to stop it. */
  readonly schedule: (cron: string, job: () => Promise<void>) => () => void
  readonly log: Logger
}

/** Starts the job; `stop` finishes the step in hand. */
export async function startPushAging(settings: PushAgingSettings): Promise<{ stop(): Promise<void> }> {
  const { aging, locks, bus, schedule, log } = settings
  const producer = await bus.producer('push-aging')
  let running: Promise<void> = Promise.resolve()

  async function expire(): Promise<void> {
    for (let some = perStep; some === perStep; ) {
      const time = Date.now()
      const overdue = await aging.overdue(time, perStep)
      some = overdue.length
      if (some === 0) return
      await producer.publish(
        overdue.map(({ push_id, user_id }) =>
          recordOf(settings, topics.pushResult, {
            push_id,
            user_id: String(user_id),
            outcome: 'expired',
            time,
          }),
        ),
      )
      await aging.expire(overdue, time)
    }
  }

  const unexpired = createTrouble(log, 'pushes that are too old are not told yet')
  const stopExpiry = schedule(everySecond, () => {
    running = unexpired.around(locks.once('push-expiry', lockLimit_ms, expire))
    return running
  })
  return {
    async stop() {
      stopExpiry()
      await running
      await producer.close()
    },
  }
}
