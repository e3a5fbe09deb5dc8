/** Parts that come from Maven: found on this machine, or fetched once into a cache that all data folders share. */
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { holdLock } from './lock.mjs'
import type { Register } from './register.js'
import { CannotStart, say, withProgress } from './terminal.js'

export interface Surroundings {
  /** The checkout. */
  readonly root: string
  readonly env: NodeJS.ProcessEnv
  readonly register: Register
}

export type PartName = 'kafka' | 'redis'

const leastJava = 17
/** How the register treats a program that ends by itself. */
const task = { name: undefined, rank: 'ours', signal: 'SIGTERM' } as const

export interface Java {
  readonly path: string
  /** All that it says of itself. */
  readonly version: string
}

/** A Java that is new enough; undefined when there is none. */
export async function findJava(env: NodeJS.ProcessEnv): Promise<Java | undefined> {
  const java = env.JAVA_HOME ? join(env.JAVA_HOME, 'bin', 'java') : 'java'
  try {
    const { stderr } = await promisify(execFile)(java, ['-version'])
    const version = Number(/version "(\d+)/.exec(stderr)?.[1])
    return version >= leastJava ? { path: java, version: stderr } : undefined
  } catch {
    return undefined
  }
}

/** Whether Maven can be run. */
export const findMaven = (): Promise<boolean> =>
  promisify(execFile)('sh', ['-c', 'command -v mvn']).then(
    () => true,
    () => false,
  )

const redisBinary = `redis-server-7.0.15-${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`
const pomOf = (root: string, part: PartName): string => join(root, 'infra', 'local', part, 'pom.xml')

/** The cache folder's name changes with the pinned versions, so a pull fetches anew. */
function partFolder(root: string, part: PartName): string {
  const pins = createHash('sha256')
    .update(readFileSync(pomOf(root, part)))
    .update(redisBinary)
    .digest('hex')
  return join(root, '.data', 'parts', `${part}-${pins.slice(0, 12)}`)
}

/** Where the part lies; undefined when it has not been fetched. */
export function cachedPart(root: string, part: PartName): string | undefined {
  const folder = partFolder(root, part)
  return existsSync(folder) ? folder : undefined
}

/** Runs Maven and counts what it says it downloaded. */
async function runMaven(part: PartName, into: string, around: Surroundings): Promise<void> {
  const options = [`-Dparts.folder=${into}`, `-Dparts.binary=${redisBinary}`]
  const args = ['-B', '-C', '-f', pomOf(around.root, part), 'validate', ...options]
  // the quick compiler suits a program of seconds
  const env = { MAVEN_OPTS: '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC', ...around.env }
  const child = spawn('mvn', args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env })
  around.register.add(child, task)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const describe = () => {
    const sizes = [...output.matchAll(/^.*Downloaded from.*\((\d+(?:\.\d+)?) ([kM]?B) at/gm)]
    const megabytes = sizes.map(
      ([, size, unit]) => Number(size) * (unit === 'MB' ? 1 : unit === 'kB' ? 1e-3 : 1e-6),
    )
    if (sizes.length === 0) return ''
    return `${sizes.length} files, ${megabytes.reduce((sum, size) => sum + size, 0).toFixed(1)} MB`
  }
  const code = await withProgress(`fetching ${part}`, ended, describe)
  if (code === 0) return
  const errors = output.split('\n').filter((line) => line.includes('ERROR'))
  throw new CannotStart(`Maven could not fetch ${part}:\n${errors.slice(0, 8).join('\n')}`)
}

/**
 * Fetches a part unless the cache has it. Several starters take turns.
 * @returns the folder that holds it: Kafka's jars, or Redis' binary
 * @throws CannotStart when Maven fails
 */
export async function fetchPart(part: PartName, around: Surroundings): Promise<string> {
  const folder = partFolder(around.root, part)
  if (existsSync(folder)) return folder
  const parts = join(around.root, '.data', 'parts')
  mkdirSync(parts, { recursive: true })
  const lock = await holdLock(join(parts, 'lock'), {
    patience_ms: () => 600_000,
    onWait: ({ pid }) => {
      if (pid !== process.pid) say(`Waiting for process ${pid}, which is fetching parts`)
    },
  })
  try {
    if (existsSync(folder)) return folder
    for (const name of readdirSync(parts))
      if (name.endsWith('.new')) rmSync(join(parts, name), { recursive: true })
    say(`Fetching ${part} (once)`)
    const draft = `${folder}.new`
    await runMaven(part, draft, around)
    if (part === 'redis') {
      renameSync(join(draft, redisBinary), join(draft, 'redis-server'))
      chmodSync(join(draft, 'redis-server'), 0o755)
    }
    renameSync(draft, folder)
    return folder
  } finally {
    lock.release()
  }
}

const javaPackages = ['openjdk-17-jre-headless', 'openjdk-21-jre-headless', 'default-jre-headless']

/**
 * `--install`: fetches Java and Maven with apt, as root on Debian or Ubuntu.
 * @throws CannotStart elsewhere
 */
export async function installTools({ register, env }: Surroundings): Promise<void> {
  if (!existsSync('/etc/debian_version') || process.getuid?.() !== 0)
    throw new CannotStart('--install works as root on Debian or Ubuntu only.')
  const script = [
    'apt-get update -q',
    `for java in ${javaPackages.join(' ')}; do apt-get install -y -q --no-install-recommends $java maven && exit 0; done`,
    'exit 1',
  ].join('\n')
  say('Installing Java and Maven with apt-get')
  const child = spawn('sh', ['-c', script], {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  register.add(child, task)
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  if ((await withProgress('apt-get', ended)) !== 0)
    throw new CannotStart('apt-get could not install Java and Maven.')
}
