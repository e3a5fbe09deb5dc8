/** The frame around a stack: its folder, its register of processes, and an end that leaves nothing behind. */
import { type DataFolder, localFilePath, removeLocalFile, takeFolder } from './folder.js'
import type { Guard } from './guard.mjs'
import { openRegister, type Register } from './register.js'
import { type Shutdown, watchForShutdown } from './shutdown.js'
import { CannotStart } from './terminal.js'

/** What the bootstrap hands over. */
export interface Launch {
  readonly root: string
  readonly argv: string[]
  readonly env: NodeJS.ProcessEnv
  readonly guard: Guard
  readonly parentPid: number
  /** When the command began (ms). */
  readonly begun: number
}

export interface Frame extends Launch {
  readonly folder: DataFolder
  readonly register: Register
  readonly shutdown: Shutdown
}

/** Rejects when the stack is to go down, so that whatever is being awaited is left. */
const untilAsked = (asked: AbortSignal): Promise<never> =>
  new Promise((_, reject) => asked.addEventListener('abort', () => reject(new GoingDown()), { once: true }))

class GoingDown extends Error {}

/** What a failure says: our own messages speak for themselves, anything else needs its stack. */
function complain(error: unknown): void {
  const known = error instanceof CannotStart || (error as Error).name === 'ConfigError'
  process.stderr.write(`${known ? (error as Error).message : ((error as Error).stack ?? error)}\n`)
}

/**
 * Runs `body` on a data folder, then ends every process that was started and exits the program:
 * with what `body` resolved with, 0 when asked to stop, 1 when it failed. `leave` is called last.
 */
export async function inFrame(
  launch: Launch,
  dataDir: string,
  body: (frame: Frame) => Promise<number>,
  leave = () => {},
): Promise<never> {
  let frame: Frame | undefined
  const shutdown = watchForShutdown(launch.parentPid, () => {
    frame?.register.kill()
    process.exit(130)
  })
  process.on('uncaughtException', (error) => {
    complain(error)
    shutdown.ask()
    process.exitCode = 1
  })
  let code = 0
  try {
    code = await Promise.race([
      untilAsked(shutdown.asked),
      (async () => {
        const folder = await takeFolder(dataDir)
        frame = { ...launch, folder, register: openRegister(launch.guard, folder), shutdown }
        launch.guard.watchFile(localFilePath(dataDir))
        return await body(frame)
      })(),
    ])
  } catch (error) {
    if (!(error instanceof GoingDown)) {
      complain(error)
      code = 1
    }
  }
  shutdown.ask()
  if (frame !== undefined) {
    frame.folder.recordStopping()
    await frame.register.close(shutdown.grace_ms)
    removeLocalFile(dataDir)
    frame.folder.release()
    leave()
  }
  launch.guard.dismiss()
  process.exit(code || process.exitCode)
}
