/** A stand-in for a checkout: the real starter and parts, with a tiny program in the place of ours. */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'

const repository = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))

/**
 * Says over IPC what the real program says, serves a token to everyone, and ends when told to. With STRAY it starts
 * a frozen program that it never cares for again, and writes its pid to that file.
 */
const standIn = `
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
if (process.argv.includes('--setup')) process.exit(0)
const end = () => process.exit(0)
for (const event of ['SIGTERM', 'SIGINT', 'disconnect']) process.on(event, end)
const serve = (request, response) => {
  response.writeHead(201, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ token: 'token-of-' + process.env.GATE_ID }))
}
const roles = process.argv[process.argv.indexOf('--roles') + 1]
const listening = (server, port) => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
if (roles === 'all' || roles === 'gateway') {
  await listening(createTcpServer(), process.env.TCP_PORT)
  await listening(createServer(serve), process.env.HTTP_PORT)
} else setInterval(() => {}, 60_000)
if (process.env.STRAY) {
  const stray = spawn('sleep', ['600'], { stdio: 'ignore' })
  stray.kill('SIGSTOP')
  writeFileSync(process.env.STRAY, String(stray.pid))
}
process.send({ type: 'ready' })
`

const entry = `
import { openGuard } from ${JSON.stringify(pathToFileURL(join(repository, 'infra/local/guard.mjs')).href)}
import { start } from ${JSON.stringify(pathToFileURL(join(repository, 'dist/infra/local/starter.js')).href)}
await start({
  root: import.meta.dirname,
  argv: process.argv.slice(2),
  env: process.env,
  guard: openGuard(),
  parentPid: process.ppid,
  begun: Date.now(),
})
`

/** What local.json says. */
export interface LocalFile {
  kafka: string
  postgres: string
  redis: string
  http: string
  tcp: string
  api_key: string
  postgres_folder?: string
  pids: Record<string, number>
  metrics_ports?: Record<string, number>
}

export interface StandInCheckout {
  readonly dataDir: string
  /** Begins a start; `shell` puts a shell between, as npm does. */
  start(options?: { args?: string[]; env?: NodeJS.ProcessEnv; shell?: boolean }): Start
  local(): LocalFile
  remove(): void
}

export interface Start {
  readonly child: ChildProcess
  /** Everything that it said so far. */
  said(): string
  /** Resolves at the line `ready`; rejects when it ended before. */
  ready(): Promise<void>
  /** Its exit code, null after a signal. */
  ended(): Promise<number | null>
}

/** Waits until `condition` holds. @throws after `within_ms` */
export async function until(what: string, condition: () => boolean, within_ms = 30_000): Promise<void> {
  for (const deadline = Date.now() + within_ms; !condition(); await pause(25))
    if (Date.now() > deadline) throw new Error(`not within ${within_ms} ms: ${what}`)
}

/** Whether a process lives; one that only waits for its parent to notice its end does not. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    const stat = existsSync('/proc/self/stat') ? readFileSync(`/proc/${pid}/stat`, 'latin1') : ') R'
    return !/\) [ZX]/.test(stat)
  } catch {
    return false
  }
}

function watchStart(child: ChildProcess): Start {
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  const end = new Promise<number | null>((resolve) => child.once('close', resolve))
  const isReady = () => /^ready$/m.test(output)
  return {
    child,
    said: () => output,
    ended: () => end,
    async ready() {
      let over = false
      void end.then(() => {
        over = true
      })
      await until(`ready or the end; it said:\n${output}`, () => isReady() || over, 90_000)
      if (!isReady()) throw new Error(`it ended before it was ready:\n${output}`)
    },
  }
}

/** Makes one in a folder of its own; the downloaded parts are those of the real checkout. */
export function standInCheckout(): StandInCheckout {
  const root = mkdtempSync(join(tmpdir(), 'coffeechat-start-'))
  const dataDir = join(root, 'state')
  mkdirSync(join(root, 'dist'))
  mkdirSync(join(root, '.data'))
  for (const shared of ['node_modules', 'infra', '.data/parts'])
    symlinkSync(join(repository, shared), join(root, shared))
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  writeFileSync(join(root, 'dist/main.js'), standIn)
  writeFileSync(join(root, 'entry.mjs'), entry)

  return {
    dataDir,
    start({ args = [], env = {}, shell = false } = {}) {
      const command = [process.execPath, join(root, 'entry.mjs'), ...args]
      // the shell has something left to do, or it would replace itself by the command
      const [program = '', ...rest] = shell ? ['/bin/sh', '-c', '"$@"; exit $?', 'sh', ...command] : command
      const child = spawn(program, rest, {
        cwd: root,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, DATA_DIR: dataDir, ...env },
      })
      return watchStart(child)
    },
    local: () => JSON.parse(readFileSync(join(dataDir, 'local.json'), 'utf8')) as LocalFile,
    remove() {
      // PostgreSQL may live apart from its data folder
      const elsewhere = readdirSync('/var/tmp').filter((name) => name.startsWith('coffeechat-'))
      for (const name of elsewhere) {
        const mark = join('/var/tmp', name, 'folder-id')
        const stack = join(dataDir, 'stack.json')
        if (!existsSync(mark) || !existsSync(stack)) continue
        if (readFileSync(stack, 'utf8').includes(readFileSync(mark, 'utf8')))
          rmSync(join('/var/tmp', name), { recursive: true })
      }
      rmSync(root, { recursive: true, force: true })
    },
  }
}
