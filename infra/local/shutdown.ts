/** When the stack goes down: asked to by a signal, orphaned, or broken. */
import { say } from './terminal.js'

export interface Shutdown {
  /** Aborted as soon as the stack is to go down. */
  readonly asked: AbortSignal
  /** How long programs may take to end: little when nobody is left to wait for us. Total, in ms. */
  grace_ms(): number
  /** Goes down of our own accord. */
  ask(): void
}

const orphanLook_ms = 250
const graceAlone_ms = 2_000
const grace_ms = 10_000
/** npm passes Ctrl-C on although the terminal already did: one key press, two signals. */
const echo_ms = 1_000

/** Watches for signals and for the death of whoever started us. @param kill ends everything at once */
export function watchForShutdown(parentPid: number, kill: () => void): Shutdown {
  const controller = new AbortController()
  let orphaned = false
  let since = 0

  function onSignal(signal: NodeJS.Signals): void {
    if (controller.signal.aborted) {
      if (Date.now() - since < echo_ms) return
      say('Killing everything')
      kill()
      return
    }
    since = Date.now()
    say(`\nStopping (${signal}; once more to kill)`)
    controller.abort()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  process.stdout.on('error', () => {}) // whoever read our lines is gone

  const watch = setInterval(() => {
    if (process.ppid === parentPid) return
    clearInterval(watch)
    orphaned = true
    say('Stopping: the process that started this one is gone')
    controller.abort()
  }, orphanLook_ms)
  watch.unref()

  return {
    asked: controller.signal,
    grace_ms: () => (orphaned ? graceAlone_ms : grace_ms),
    ask: () => controller.abort(),
  }
}
