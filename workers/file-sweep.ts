/** Files that no message passes on are removed, some time after their upload. By cron; one process at a time. */
import type { Logger } from '../schemas/log.js'
import type { FileBytes, UnusedFiles } from './ports/files.js'
import type { Locks } from './ports/presence.js'

const filesPerStep = 200
const sweepLimit_ms = 600_000

interface SweepSettings {
  readonly unused: UnusedFiles
  readonly store: FileBytes
  readonly locks: Locks
  /** FILE_UNUSED_MS: how long an upload may stay unnamed. */
  readonly config: { readonly FILE_UNUSED_MS: number; readonly FILE_SWEEP_CRON: string }
  readonly log: Logger
}

interface FileSweepSettings extends SweepSettings {
  /** Runs `job` by a cron expression; answers how to stop it. */
  readonly schedule: (cron: string, job: () => Promise<void>) => () => void
}

/** Starts the job; part of the role that answers for files. */
export function startFileSweep(settings: FileSweepSettings) {
  let running = Promise.resolve()
  const stopJob = settings.schedule(settings.config.FILE_SWEEP_CRON, () => {
    running = sweepFiles(settings)
    return running
  })
  return {
    isReady: () => true,
    /** Finishes the sweep in hand. */
    async stop(): Promise<void> {
      stopJob()
      await running.catch(() => {}) // the schedule has logged it
      settings.store.close()
    },
  }
}

/**
 * One sweep. A file is first taken, so that nobody can name or see it any more, then its bytes are removed, then its
 * row: whatever dies in between, the next sweep goes on with it, and no bytes stay that no row knows. Exported for its
 * test.
 */
export async function sweepFiles({ unused, store, locks, config, log }: SweepSettings): Promise<void> {
  let removed = 0
  await locks.once('unused-files', sweepLimit_ms, async () => {
    for (let more = true; more; ) {
      const taken = await unused.take(Date.now() - config.FILE_UNUSED_MS, filesPerStep)
      if (taken.length > 0) {
        await store.remove(taken)
        await unused.forget(taken)
      }
      removed += taken.length
      more = taken.length === filesPerStep
    }
  })
  if (removed > 0) log.info({ files: removed }, 'removed files that no message names')
}
