/** Our own processes: the one-off setup and the ones that serve. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type LogFile, logFile } from './logs.js'
import type { Register } from './register.js'
import type { Program } from './supervise.js'
import { CannotStart, say } from './terminal.js'

export interface Launchpad {
  readonly root: string
  readonly dataDir: string
  /** Every setting of the children, addresses and secrets included. */
  readonly env: NodeJS.ProcessEnv
  readonly register: Register
}

/** What a child says over IPC. */
type Word =
  | { type: 'listening'; tcp?: string; http?: string }
  | { type: 'ready' }
  | { type: 'fault'; message: string }

/** A young generation that holds the messages in flight: with V8's own 16 MiB a tenth of the time goes to its collection. */
const nodeFlags = ['--enable-source-maps', '--max-semi-space-size=64']
/** pino's number for warn. */
const warnLevel = 40
/** The same complaint again and again is shown this often; the log file has every one. */
const repeatAfter_ms = 10_000

function launchMain({ root, env }: Launchpad, args: string[]): ChildProcess {
  return spawn(process.execPath, [...nodeFlags, join(root, 'dist', 'main.js'), ...args], {
    argv0: 'node',
    cwd: root,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
}

/** A warning or error among log lines, short; undefined for everything else. */
function briefly(line: string): string | undefined {
  const level = /^\{"level":(?:(\d+)|"(\w+)")/.exec(line)
  if (level === null) return undefined
  const severe =
    level[1] !== undefined ? Number(level[1]) >= warnLevel : /warn|error|fatal/.test(level[2] ?? '')
  if (!severe) return undefined
  try {
    const { msg, reason, err } = JSON.parse(line) as {
      msg?: string
      reason?: string
      err?: { message?: string }
    }
    return [msg, reason ?? err?.message].filter(Boolean).join(': ')
  } catch {
    return line.slice(0, 200)
  }
}

/** Everything goes to the log file, what is wrong to the terminal too. */
export function keepLog(name: string, child: ChildProcess, log: LogFile): void {
  const file = createWriteStream('', { fd: log.open() })
  const sources = [child.stdout, child.stderr].filter((stream) => stream !== null)
  let open = sources.length
  let shown = { short: '', at: 0 }
  const show = (short: string) => {
    if (short === shown.short && Date.now() - shown.at < repeatAfter_ms) return
    shown = { short, at: Date.now() }
    say(`${name}: ${short}`)
  }
  for (const stream of sources) {
    const lines = createInterface({ input: stream })
    lines.on('line', (line) => {
      file.write(`${line}\n`)
      const short = briefly(line)
      if (short !== undefined) show(short)
    })
    lines.on('close', () => {
      open -= 1
      if (open === 0) file.end()
    })
  }
}

/** A process that serves the given roles. `prepare` may change its settings before every launch. */
export function ourProgram(
  name: string,
  roles: readonly string[],
  launchpad: Launchpad,
  prepare: (served: boolean) => Promise<NodeJS.ProcessEnv>,
): Program {
  const log = logFile(launchpad.dataDir, name)
  let served = false
  return {
    name,
    rank: 'ours',
    stopSignal: 'SIGTERM',
    async launch() {
      const env = { ...launchpad.env, ...(await prepare(served)) }
      const child = launchMain({ ...launchpad, env }, ['--roles', roles.join(',')])
      keepLog(name, child, log)
      child.on('message', (word: Word) => {
        if (word.type === 'fault') say(`${name}: ${word.message}`)
      })
      return child
    },
    ready: (child) =>
      new Promise((resolve) => {
        child.on('message', (word: Word) => {
          if (word.type !== 'ready') return
          served = true
          resolve()
        })
      }),
    lastWords: () => `${log.path}:\n${log.tail(15)}`,
  }
}

/** Migrations and topics: `main --setup`, a line for each step. @throws CannotStart when a step fails */
export async function runSetup(launchpad: Launchpad): Promise<void> {
  const child = launchMain(launchpad, ['--setup'])
  launchpad.register.add(child, { name: undefined, rank: 'ours', signal: 'SIGTERM' })
  const log = logFile(launchpad.dataDir, 'setup')
  keepLog('setup', child, log)
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('{')) say(`  ${line}`)
    })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  if (code !== 0) throw new CannotStart(`The setup failed (exit code ${code}).\n${log.tail(15)}`)
}
