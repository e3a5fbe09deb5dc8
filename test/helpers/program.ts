/** A program that a person would start in a terminal, and what it says there. */
import { type ChildProcess, spawn } from 'node:child_process'
import { conditionHolds } from './wait.js'

export interface Program {
  readonly child: ChildProcess
  /** All that it has written so far. */
  said(): string
  /** Waits until it says so. @throws when it ends before, or is too late */
  says(pattern: RegExp, within_ms?: number): Promise<RegExpMatchArray>
  /** Resolves with its exit code, null after a signal. */
  ended(): Promise<number | null>
  /** Sends the signal and waits for its end. */
  end(signal?: NodeJS.Signals): Promise<number | null>
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGTERM')
})

export function run(
  command: readonly [string, ...string[]],
  { cwd, env }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Program {
  const [program, ...args] = command
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let output = ''
  let isOver = false
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const over = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      running.delete(child)
      isOver = true
      resolve(code)
    })
  })
  over.catch(() => {})
  return {
    child,
    said: () => output,
    async says(pattern, within_ms = 20_000) {
      await conditionHolds(`${pattern}`, () => pattern.test(output) || isOver, within_ms).catch(
        (error: Error) => {
          throw new Error(`${error.message}; it said:\n${output}`)
        },
      )
      const found = pattern.exec(output)
      if (found === null) throw new Error(`it ended without ${pattern}; it said:\n${output}`)
      return found
    },
    ended: () => over,
    end(signal = 'SIGTERM') {
      child.kill(signal)
      return over
    },
  }
}

/** Runs it to its end. @returns what it said; @throws where it fails */
export async function runToEnd(
  command: readonly [string, ...string[]],
  options?: Parameters<typeof run>[1],
): Promise<string> {
  const program = run(command, options)
  const code = await program.ended()
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}:\n${program.said()}`)
  return program.said().trim()
}
