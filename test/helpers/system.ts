/** The whole system as real processes, on the Kafka, PostgreSQL and Redis of `npm test`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Kafka, logLevel } from 'kafkajs'
import { type Api, createApi } from './api.js'
import { freshDatabase } from './database.js'
import { stack } from './stack.js'

const main = join(import.meta.dirname, '../../main.js') // from dist/test/helpers
const apiKey = 'key-of-the-tests'
/** A dozen processes at once take their time on two cores. */
const readyWithin_ms = 90_000
const stopWithin_ms = 20_000

/** An entry of ours, and the system user it runs as; this process's own where none is named. */
interface Program {
  readonly main: string
  readonly uid?: number | undefined
}

interface SystemOptions {
  /** One process per element, with these roles; the second with the same ones is called `<roles>-2`. One with `all` where it is not given. */
  readonly roles?: readonly (readonly string[])[]
  /** How many gateways; those that `roles` does not name run as `gateway-2`, `gateway-3` … */
  readonly gateways?: number
  readonly env?: NodeJS.ProcessEnv
  /** Of topics, groups and keys; one that nobody else has where it is not given. */
  readonly prefix?: string
  /** What is run instead of this checkout's build, and as whom. */
  readonly program?: Program
  /** Where the processes reach the parts, when something stands between: host:port each. */
  readonly kafka?: string
  readonly postgres?: string
  readonly redis?: string
  /** A database of the test's own server, instead of a fresh one on the stack's. Nobody drops it. */
  readonly databaseUrl?: string
}

/** A process of ours. Its name is its roles, comma-separated. */
export interface SystemProcess {
  readonly name: string
  readonly pid: number
  /** Where it gives health and metrics, with METRICS_PORT. */
  readonly metricsPort: number | undefined
  /** Sends a signal; resolves with the exit code (null after a signal) when it has ended. */
  kill(signal: NodeJS.Signals): Promise<number | null>
  /** Sends a signal that does not end it: SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void
  isRunning(): boolean
  /** Starts it again with the same settings and ports; resolves when it is ready. */
  restart(): Promise<void>
}

export interface RunningGateway {
  readonly tcp: number
  readonly http: number
  readonly gate_id: string
  readonly api: Api
  readonly process: SystemProcess
}

export interface System {
  /** Of the first gateway. */
  readonly tcp: number
  readonly http: number
  readonly api: Api
  readonly apiKey: string
  readonly gateways: readonly RunningGateway[]
  readonly processes: ReadonlyMap<string, SystemProcess>
  readonly prefix: string
  /** Around any proxy. */
  readonly kafka: string
  readonly databaseUrl: string
  readonly redisUrl: string
  /** Everything that its processes have logged so far. */
  logs(): string
  /** One more process that runs a gateway, with the id of this one. */
  successor(of: RunningGateway): Promise<RunningGateway>
  /** Ends every process, and removes what the system left. Rejects where one did not end by itself. */
  stop(): Promise<void>
}

const living = new Set<ChildProcess>()
const logFolders: string[] = []

/** Whatever happened in the tests: no process stays, and of the logs what tells why a test failed. */
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL')
  for (const folder of logFolders) {
    if (process.exitCode) showComplaints(folder)
    rmSync(folder, { recursive: true, force: true })
  }
})

/** The warnings and errors of the processes' logs. */
function showComplaints(folder: string): void {
  console.error('what the system complained about:')
  for (const name of readdirSync(folder).filter((each) => each !== 'setup.log')) {
    const lines = readFileSync(join(folder, name), 'utf8').split('\n')
    const complaints = lines.filter((line) => line !== '' && !/^\{"level":("info"|30|20|"debug")/.test(line))
    for (const line of complaints.slice(-15)) console.error(`  ${name}: ${line.slice(0, 400)}`)
  }
}

type Told = {
  readonly type: string
  readonly tcp?: number
  readonly http?: number
  readonly metrics?: number
  readonly message?: string
}

interface Launched {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  readonly ports: { tcp: number; http: number } | undefined
  readonly metricsPort: number | undefined
}

/** Starts a process and waits until it is ready. @throws when it ends before, or is too late */
async function launch(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  log: number,
  program: Program,
): Promise<Launched> {
  const { uid } = program
  const child = spawn(process.execPath, ['--enable-source-maps', program.main, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', log, log, 'ipc'],
    ...(uid === undefined ? {} : { uid, gid: uid, cwd: '/' }),
  })
  living.add(child)
  const ended = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      living.delete(child)
      resolve(code)
    })
  })
  let ports: Launched['ports']
  let metricsPort: number | undefined
  const ready = new Promise<void>((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`${args} is not ready in ${readyWithin_ms} ms`)),
      readyWithin_ms,
    )
    child.on('message', ({ type, tcp, http, metrics, message }: Told) => {
      metricsPort = metrics ?? metricsPort
      if (type === 'listening' && tcp !== undefined && http !== undefined) ports = { tcp, http }
      if (type === 'fault') reject(new Error(message))
      if (type === 'ready') resolve()
    })
    void ended.then((code) => (code === 0 ? resolve() : reject(new Error(`${args} ended with ${code}`))))
    child.once('exit', () => clearTimeout(late))
    child.on('message', ({ type }: Told) => type === 'ready' && clearTimeout(late))
  })
  try {
    await ready
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return { child, ended, ports, metricsPort }
}

interface Kept {
  readonly process: SystemProcess
  readonly gateway: RunningGateway | undefined
}

/** A process with these roles that can be killed and started again. */
async function keep(
  name: string,
  roles: readonly string[],
  env: NodeJS.ProcessEnv,
  folder: string,
  program: Program,
): Promise<Kept> {
  const log = openSync(join(folder, `${name.replace(/[^a-z0-9-]/g, '_').slice(0, 60)}.log`), 'a')
  const args = ['--roles', roles.join(',')]
  let current = await launch(args, env, log, program)
  const { ports } = current
  const again = ports ? { ...env, TCP_PORT: String(ports.tcp), HTTP_PORT: String(ports.http) } : env
  const kept: SystemProcess = {
    name,
    get pid() {
      return current.child.pid!
    },
    get metricsPort() {
      return current.metricsPort
    },
    isRunning: () => living.has(current.child),
    signal: (signal) => void current.child.kill(signal),
    kill(signal) {
      current.child.kill(signal)
      return current.ended
    },
    async restart() {
      current = await launch(args, again, log, program)
    },
  }
  if (!ports) return { process: kept, gateway: undefined }
  const gateway = { ...ports, gate_id: env.GATE_ID ?? '', api: createApi(ports.http, apiKey), process: kept }
  return { process: kept, gateway }
}

/** The same URL with another host and port. */
function through(url: string, address: string | undefined): string {
  if (address === undefined) return url
  const changed = new URL(url)
  changed.host = address
  return changed.href
}

/** Topics and keys of this system, and no others. */
async function removeTraces(kafka: string, redisUrl: string, prefix: string): Promise<void> {
  const redis = new Redis(redisUrl)
  const names = await redis.keys(`${prefix}*`)
  if (names.length > 0) await redis.del(...names)
  redis.disconnect()
  const admin = new Kafka({ brokers: [kafka], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix))
  if (topics.length > 0) await admin.deleteTopics({ topics })
  await admin.disconnect()
}

async function endAll(kept: readonly SystemProcess[]): Promise<void> {
  const stuck: string[] = []
  await Promise.all(
    kept
      .filter((each) => each.isRunning())
      .map(async (each) => {
        each.signal('SIGCONT')
        const late = setTimeout(() => void each.kill('SIGKILL'), stopWithin_ms)
        const code = await each.kill('SIGTERM')
        clearTimeout(late)
        if (code !== 0) stuck.push(`${each.name} ended with ${code ?? 'SIGKILL'}`)
      }),
  )
  if (stuck.length > 0) throw new Error(`not stopped cleanly: ${stuck.join(', ')}`)
}

/** All of them, or, where one does not come up, none. */
async function allOrNone(starting: readonly Promise<Kept>[]): Promise<Kept[]> {
  const settled = await Promise.allSettled(starting)
  const kept = settled.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
  const failed = settled.find((each) => each.status === 'rejected')
  if (failed === undefined) return kept
  await Promise.all(kept.map((each) => each.process.kill('SIGKILL')))
  throw failed.reason
}

/** For topics, groups and keys that nobody else has. */
export const newPrefix = (): string => `e2e-${randomBytes(4).toString('hex')}.`

/** A system of its own: topics, keys and database that nobody else has. Resolves when it serves. */
export async function startSystem(options: SystemOptions = {}): Promise<System> {
  const { roles = [['all']], gateways: gatewayCount = 1, program = { main } } = options
  const { prefix = newPrefix() } = options
  const parts = stack()
  const database =
    options.databaseUrl === undefined
      ? await freshDatabase()
      : { url: options.databaseUrl, drop: async () => {} }
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-system-'))
  logFolders.push(folder)
  const env: NodeJS.ProcessEnv = {
    KAFKA_BROKERS: options.kafka ?? parts.kafka,
    DATABASE_URL: through(database.url, options.postgres),
    REDIS_URL: through(parts.redis, options.redis),
    TOPIC_PREFIX: prefix,
    TOPIC_PARTITIONS: '2',
    DATABASE_POOL: '4',
    API_KEY: apiKey,
    TOKEN_SECRET: 'secret-of-the-tests-0123456789',
    TCP_PORT: '0',
    HTTP_PORT: '0',
    DRAIN_MS: '0',
    ...options.env,
  }
  await launch(['--setup'], env, openSync(join(folder, 'setup.log'), 'a'), program)

  const named = roles.filter((each) => each.includes('gateway') || each.includes('all')).length
  const further = Array.from({ length: Math.max(0, gatewayCount - named) }, () => ['gateway'])
  let gates = 0
  const started: string[] = []
  const kept = await allOrNone(
    [...roles, ...further].map((each) => {
      const isGate = each.includes('gateway') || each.includes('all')
      const number = isGate ? ++gates : 0
      const roleNames = each.join(',')
      started.push(roleNames)
      const copy = isGate ? number : started.filter((earlier) => earlier === roleNames).length
      const name = copy > 1 ? `${roleNames}-${copy}` : roleNames
      return keep(name, each, isGate ? { ...env, GATE_ID: `gate-${number}` } : env, folder, program)
    }),
  )
  const gateways = kept.flatMap(({ gateway }) => gateway ?? [])
  const [first] = gateways
  if (first === undefined) throw new Error('a system needs a gateway')
  return {
    tcp: first.tcp,
    http: first.http,
    api: first.api,
    apiKey,
    gateways,
    processes: new Map(kept.map(({ process: each }) => [each.name, each])),
    prefix,
    kafka: parts.kafka,
    databaseUrl: database.url,
    redisUrl: parts.redis,
    logs: () =>
      readdirSync(folder)
        .map((name) => readFileSync(join(folder, name), 'utf8'))
        .join(''),
    async successor({ gate_id }) {
      const started = await keep(
        `${gate_id}-again`,
        ['gateway'],
        { ...env, GATE_ID: gate_id },
        folder,
        program,
      )
      kept.push(started)
      return started.gateway!
    },
    async stop() {
      try {
        await endAll(kept.map(({ process: each }) => each))
      } finally {
        await database.drop()
        await removeTraces(parts.kafka, parts.redis, prefix)
      }
    },
  }
}
