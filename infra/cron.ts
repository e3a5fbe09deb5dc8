/** Jobs by cron expression (node-cron). */
import cron from 'node-cron'
import { createTrouble, type Logger } from '../schemas/log.js'

/** Runs jobs by cron expressions; a job that still runs when it is due again is not started twice. */
export const createSchedule =
  (log: Logger) =>
  (expression: string, job: () => Promise<void>): (() => void) => {
    // Not node-cron's own noOverlap: that one writes to the console each time.
    let running = false
    const trouble = createTrouble(log, `the job of ${expression} failed`)
    const task = cron.schedule(expression, async () => {
      if (running) return
      running = true
      await trouble.around(job())
      running = false
    })
    return () => {
      void task.destroy()
    }
  }
