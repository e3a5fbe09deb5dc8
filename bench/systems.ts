/** What is measured: our own processes, and the floor. Each is started on the same Kafka and PostgreSQL. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { copyFileSync, createWriteStream, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Backing } from '../infra/local/backing.js'
import type { Frame } from '../infra/local/frame.js'
import { logFile } from '../infra/local/logs.js'
import { partPort } from '../infra/local/ports.js'
import { type Launchpad, ourProgram, runSetup } from '../infra/local/programs.js'
import { endGroup } from '../infra/local/register.js'
import { roleNames } from '../infra/local/roles.js'
import type { Program } from '../infra/local/supervise.js'
import { CannotStart } from '../infra/local/terminal.js'

/** A system that takes messages. */
export interface System {
  readonly name: string
  readonly pid: number
  /** host:port of the protocol and of the REST API */
  readonly tcp: string
  readonly http: string
  readonly apiKey: string
  stop(): Promise<void>
}

const readyWithin_ms = 60_000
const stopWithin_ms = 15_000

/** Starts a program once. Unlike the supervisor it never starts it again: a crash ends the measurement. */
async function bringUp(program: Program, { register }: Frame) {
  const child = await program.launch()
  const over = new AbortController()
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  }).then(() => over.abort())
  register.add(child, { name: program.name, rank: program.rank, signal: program.stopSignal })
  const failed = async (after: Promise<unknown>, why: string) => {
    await after
    throw new CannotStart(`${program.name} ${why}.\n${program.lastWords()}`)
  }
  const late = new Promise((resolve) => setTimeout(resolve, readyWithin_ms).unref())
  await Promise.race([
    program.ready(child, over.signal),
    failed(gone, 'ended before it served'),
    failed(late, 'does not come up'),
  ])
  const pid = child.pid ?? 0
  async function stop(): Promise<void> {
    endGroup(pid, program.stopSignal)
    const timer = setTimeout(() => endGroup(pid, 'SIGKILL'), stopWithin_ms)
    await gone
    clearTimeout(timer)
  }
  return { pid, stop }
}

const host = '127.0.0.1'

async function choosePorts() {
  const taken = new Set<number>()
  const tcp = await partPort(undefined, taken)
  return { tcp, http: await partPort(undefined, taken) }
}

/** All senders come from one address and send more than any person would. */
const limits = {
  RATE_LIMIT_PACKETS: '1000000',
  RATE_LIMIT_ACKS: '1000000',
  RATE_LIMIT_CONNECTIONS: '1000000',
}

/** Settings of our processes but their ports. @param profilesInto folder for CPU profiles; see profile.ts */
function settingsOf(frame: Frame, backing: Backing, profilesInto: string | undefined): NodeJS.ProcessEnv {
  const { apiKey, tokenSecret, gateId } = frame.folder.keepsakes
  const profiler = new URL('profile.js', import.meta.url)
  if (profilesInto !== undefined) profiler.searchParams.set('into', profilesInto)
  return {
    ...frame.env,
    ...limits,
    ...(profilesInto === undefined ? {} : { NODE_OPTIONS: `--import=${profiler.href}` }),
    PROFILE: 'local',
    API_KEY: apiKey,
    TOKEN_SECRET: tokenSecret,
    GATE_ID: gateId,
    DATA_DIR: frame.folder.path,
    KAFKA_BROKERS: backing.kafka,
    DATABASE_URL: backing.postgres,
    REDIS_URL: backing.redis,
  }
}

const launchpadOf = ({ root, folder, register }: Frame, env: NodeJS.ProcessEnv): Launchpad => ({
  root,
  dataDir: folder.path,
  env,
  register,
})

/**
 * All roles in one process, as `npm start` runs them.
 * @param profilesInto folder for CPU profiles; see profile.ts
 */
export async function startOurs(
  frame: Frame,
  backing: Backing,
  profilesInto: string | undefined,
): Promise<System> {
  const ports = await choosePorts()
  const settings = settingsOf(frame, backing, profilesInto)
  const launchpad = launchpadOf(frame, {
    ...settings,
    TCP_PORT: String(ports.tcp),
    HTTP_PORT: String(ports.http),
  })
  await runSetup(launchpad)
  const program = ourProgram('coffeechat', ['all'], launchpad, () => Promise.resolve({}))
  const running = await bringUp(program, frame)
  return {
    name: 'coffeechat',
    tcp: `${host}:${ports.tcp}`,
    http: `${host}:${ports.http}`,
    apiKey: frame.folder.keepsakes.apiKey,
    ...running,
  }
}

/** A system with several gateways. */
export interface GatedSystem {
  readonly name: string
  /** host:port of the protocol at each gateway. */
  readonly gates: readonly string[]
  /** Of the REST API at each, where it has one. */
  readonly https: readonly string[]
  readonly apiKey: string
  /** Its processes by name. */
  readonly pids: Readonly<Record<string, number>>
  stop(): Promise<void>
}

/** Where each of several processes writes its profiles. */
export function profilesOf(profilesInto: string, name: string): string {
  const folder = join(profilesInto, name)
  mkdirSync(folder, { recursive: true })
  return folder
}

/** Two gateways, and one process with all other roles. */
export async function startGates(
  frame: Frame,
  backing: Backing,
  profilesInto: string | undefined,
): Promise<GatedSystem> {
  const settings = (name: string) =>
    settingsOf(frame, backing, profilesInto && profilesOf(profilesInto, name))
  await runSetup(launchpadOf(frame, settings('setup')))
  const start = async (name: string, roles: readonly string[], own: NodeJS.ProcessEnv) => {
    const launchpad = launchpadOf(frame, { ...settings(name), ...own })
    return {
      name,
      ...(await bringUp(
        ourProgram(name, roles, launchpad, () => Promise.resolve({})),
        frame,
      )),
    }
  }
  const others = roleNames.filter((role) => role !== 'gateway')
  const ports = [await choosePorts(), await choosePorts()]
  const running = await Promise.all([
    start('workers', others, {}),
    ...ports.map(({ tcp, http }, at) =>
      start(`gate-${at + 1}`, ['gateway'], {
        GATE_ID: `bench-${at + 1}`,
        TCP_PORT: String(tcp),
        HTTP_PORT: String(http),
      }),
    ),
  ])
  return {
    name: 'coffeechat',
    gates: ports.map(({ tcp }) => `${host}:${tcp}`),
    https: ports.map(({ http }) => `${host}:${http}`),
    apiKey: frame.folder.keepsakes.apiKey,
    pids: Object.fromEntries(running.map(({ name, pid }) => [name, pid])),
    async stop() {
      await Promise.all(running.map((each) => each.stop()))
    },
  }
}

/** Where the floor lies when it is there: beside the checkout. */
const floorFile = (root: string): string => join(root, '..', 'shared', 'tools', 'floor.mjs')
export const floorIsPresent = (root: string): boolean => existsSync(floorFile(root))

/** A program that says `ready` when it is. */
function yardstick({ folder, env }: Frame, name: string, script: string, args: string[]): Program {
  const log = logFile(folder.path, name)
  return {
    name,
    rank: 'ours',
    stopSignal: 'SIGTERM',
    launch(): ChildProcess {
      const child = spawn(process.execPath, ['--max-semi-space-size=64', script, ...args], {
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env,
      })
      const file = createWriteStream('', { fd: log.open() })
      child.stdout.pipe(file, { end: false })
      child.stderr.pipe(file, { end: false })
      child.once('close', () => file.end())
      return child
    },
    ready: ({ stdout }) =>
      new Promise((resolve) => {
        if (stdout !== null)
          createInterface({ input: stdout }).on('line', (line) => line === 'ready' && resolve())
      }),
    lastWords: () => `${log.path}:\n${log.tail(10)}`,
  }
}

/** The least code that does the same work, in one process; it makes a database and topics of its own. */
export async function startFloor(frame: Frame, backing: Backing): Promise<System> {
  const { root } = frame
  // copied, so that it finds this checkout's kafkajs and pg
  const copy = join(root, '.data', 'bench', 'floor.mjs')
  mkdirSync(join(root, '.data', 'bench'), { recursive: true })
  copyFileSync(floorFile(root), copy)
  const { tcp, http } = await choosePorts()
  const args = [backing.kafka, backing.postgres, String(tcp), String(http)]
  const running = await bringUp(yardstick(frame, 'floor', copy, args), frame)
  return { name: 'floor', tcp: `${host}:${tcp}`, http: `${host}:${http}`, apiKey: 'any', ...running }
}

/** The same for group messages; see groups/yardstick.ts. */
export async function startGroupFloor(frame: Frame, backing: Backing): Promise<GatedSystem> {
  const { tcp } = await choosePorts()
  const script = join(frame.root, 'dist', 'bench', 'groups', 'yardstick.js')
  const args = [backing.kafka, backing.postgres, String(tcp)]
  const { pid, stop } = await bringUp(yardstick(frame, 'floor', script, args), frame)
  return { name: 'floor', gates: [`${host}:${tcp}`], https: [], apiKey: '', pids: { floor: pid }, stop }
}
