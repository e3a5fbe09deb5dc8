/** One program of the stack kept running: started, awaited, started again when it dies. */
import type { ChildProcess } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { endGroup, type Register } from './register.js'
import { CannotStart, say, seconds } from './terminal.js'

/** A program that the stack runs. It must lead a process group of its own (`detached`). */
export interface Program {
  readonly name: string
  /** What others are built on stops last. */
  readonly rank: 'ours' | 'backing'
  readonly stopSignal: NodeJS.Signals
  launch(): ChildProcess | Promise<ChildProcess>
  /** Resolves once it serves; may reject when it `ended` meanwhile. */
  ready(child: ChildProcess, ended: AbortSignal): Promise<void>
  /** The last lines that it wrote, for the message when it does not come up. */
  lastWords(): string
}

const firstDelay_ms = 250
const longestDelay_ms = 10_000
/** Who served this long is not in a crash loop. */
const healthyAfter_ms = 30_000
const readyWithin_ms = 120_000
const attemptsAtStart = 3

interface Life {
  readonly pid: number | undefined
  /** Resolves with how it ended. */
  readonly ended: Promise<string>
  readonly ready: Promise<void>
}

async function beginLife(program: Program, register: Register): Promise<Life> {
  const child = await program.launch()
  const over = new AbortController()
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`cannot be run: ${error.message}`))
    child.once('exit', (code, signal) =>
      resolve(signal ? `was ended by ${signal}` : `exited with code ${code}`),
    )
  }).then((how) => {
    over.abort()
    return how
  })
  register.add(child, { name: program.name, rank: program.rank, signal: program.stopSignal })

  const tooLate = pause(readyWithin_ms, undefined, { signal: over.signal, ref: false }).then(() => {
    throw new Error(`is not ready after ${seconds(readyWithin_ms)}`)
  })
  const gone = ended.then((how) => {
    throw new Error(how)
  })
  const ready = Promise.race([gone, tooLate, program.ready(child, over.signal)])
  for (const promise of [ready, tooLate, gone]) promise.catch(() => {})
  return { pid: child.pid, ended, ready }
}

/**
 * Starts a program and keeps it running until `stopping`; resolves once it serves for the first time.
 * @throws CannotStart when it ended three times before it ever served
 */
export async function keepRunning(
  program: Program,
  register: Register,
  stopping: AbortSignal,
): Promise<void> {
  const { name } = program

  /** One life until it serves; undefined when it did not. */
  async function tryOnce(): Promise<Life | undefined> {
    const life = await beginLife(program, register)
    try {
      await life.ready
      return life
    } catch (error) {
      if (!stopping.aborted) say(`  ${name} (pid ${life.pid}) ${(error as Error).message}`)
      if (life.pid !== undefined) endGroup(life.pid, 'SIGKILL')
      await life.ended
      return undefined
    }
  }

  async function revive(first: Life): Promise<void> {
    let delay_ms = firstDelay_ms
    let life: Life | undefined = first
    while (life !== undefined) {
      const served = Date.now()
      const how = await life.ended
      if (stopping.aborted) return
      say(`${name} (pid ${life.pid}) ${how}: starting it again`)
      if (Date.now() - served > healthyAfter_ms) delay_ms = firstDelay_ms
      const lost = Date.now()
      for (life = undefined; life === undefined && !stopping.aborted; ) {
        await pause(delay_ms, undefined, { signal: stopping }).catch(() => {})
        delay_ms = Math.min(delay_ms * 2, longestDelay_ms)
        if (!stopping.aborted) life = await tryOnce()
      }
      if (life !== undefined) say(`${name} is back after ${seconds(Date.now() - lost)} (pid ${life.pid})`)
    }
  }

  for (let attempt = 1; attempt <= attemptsAtStart && !stopping.aborted; attempt++) {
    const life = await tryOnce()
    if (life === undefined) continue
    void revive(life)
    return
  }
  throw new CannotStart(`${name} does not come up.\n${program.lastWords()}`)
}
