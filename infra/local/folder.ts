/** DATA_DIR: who holds it, what was made once for it, and local.json, which tells others where we are. */
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Holder, holdLock, identityOf, isAlive, type Lock, LockHeld, writeWhole } from './lock.mjs'
import { CannotStart, say } from './terminal.js'

/** Made at the first start on a data folder, kept in it, readable by its owner only. */
export interface Keepsakes {
  /** Tells this data folder from a later one at the same path. */
  folderId: string
  apiKey: string
  tokenSecret: string
  postgresPassword: string
  gateId: string
  ports: { kafka?: number; controller?: number; postgres?: number; redis?: number }
}

export interface DataFolder {
  readonly path: string
  readonly keepsakes: Keepsakes
  /** Writes `keepsakes` after a change. */
  keep(): void
  /** Who lives under our wing, for whoever comes after us. */
  recordPids(pids: readonly number[]): void
  /** From now on a new start waits longer: we are on our way out. */
  recordStopping(): void
  release(): void
}

const dyingPatience_ms = 20_000
/** A holder whose parent was just killed needs a moment to notice. */
const livingPatience_ms = 6_000

interface Identity {
  pid: number
  started: string
}

/** Waits for what a dead starter left behind (its guard is ending it), then ends it ourselves. */
async function outlive(previous: Holder | undefined): Promise<void> {
  const left = () => ((previous?.children ?? []) as Identity[]).filter(isAlive)
  if (left().length === 0) return
  say('An earlier start here was killed: waiting for what it left behind to end')
  for (const deadline = Date.now() + dyingPatience_ms; left().length > 0; await pause(100))
    if (Date.now() > deadline)
      for (const { pid } of left()) {
        say(`  ending process ${pid} of the earlier start`)
        process.kill(pid, 'SIGKILL')
      }
}

async function lockFolder(path: string): Promise<Lock> {
  try {
    return await holdLock(join(path, 'lock'), {
      patience_ms: (holder) => (holder.stopping === true ? dyingPatience_ms : livingPatience_ms),
      onWait: ({ pid }) => say(`Another start (process ${pid}) uses ${path}: waiting for it to end`),
    })
  } catch (error) {
    if (!(error instanceof LockHeld)) throw error
    throw new CannotStart(
      `Another stack runs on ${path} (process ${error.holder.pid}).\n` +
        'Stop it first, or give this one a data folder of its own: DATA_DIR=… npm start',
    )
  }
}

const secret = (bytes: number): string => randomBytes(bytes).toString('base64url')

function readKeepsakes(file: string): Keepsakes {
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Keepsakes
  return {
    folderId: secret(12),
    apiKey: secret(24),
    tokenSecret: secret(32),
    postgresPassword: secret(18),
    gateId: 'gate-1',
    ports: {},
  }
}

/** Makes the folder where there is none, and its lock: the first things that are written to it. */
async function openFolder(path: string): Promise<Lock> {
  try {
    mkdirSync(path, { recursive: true })
    return await lockFolder(path)
  } catch (error) {
    const { syscall, message } = error as NodeJS.ErrnoException
    if (syscall === undefined) throw error
    throw new CannotStart(
      `DATA_DIR: ${path} cannot be written (${message}).\n` +
        'Make it a folder that this user may write to, or name another one: DATA_DIR=… npm start',
    )
  }
}

/**
 * Takes a data folder for this process, after an earlier start on it has ended.
 * @throws CannotStart when a living stack holds it, or it cannot be written
 */
export async function takeFolder(path: string): Promise<DataFolder> {
  const lock = await openFolder(path)
  await outlive(lock.previous)
  const file = join(path, 'stack.json')
  const keepsakes = readKeepsakes(file)
  const keep = () => writeWhole(file, JSON.stringify(keepsakes, null, 2))
  keep()
  chmodSync(file, 0o600)

  let record: { children: Identity[]; stopping: boolean } = { children: [], stopping: false }
  const change = (fields: Partial<typeof record>) => {
    record = { ...record, ...fields }
    lock.update(record)
  }
  return {
    path,
    keepsakes,
    keep,
    recordPids: (pids) => change({ children: pids.map(identityOf) }),
    recordStopping: () => change({ stopping: true }),
    release: () => lock.release(),
  }
}

/** What local.json says. */
export interface Whereabouts {
  kafka: string
  postgres: string
  redis: string
  http: string
  tcp: string
  api_key: string
  /** Only where PostgreSQL could not stay in DATA_DIR. */
  postgres_folder?: string
  /** With --processes: where each gives health and metrics. */
  metrics_ports?: Record<string, number>
  pids: Record<string, number>
}

export const localFilePath = (dataDir: string): string => join(dataDir, 'local.json')

/** Tells others where the stack is; they see the old or the new text, never half of it. */
export function writeLocalFile(dataDir: string, whereabouts: Whereabouts): void {
  writeWhole(localFilePath(dataDir), `${JSON.stringify(whereabouts, null, 2)}\n`)
}

/** Where the stack of this folder is; undefined where none runs. */
export function readLocalFile(dataDir: string): Whereabouts | undefined {
  const path = localFilePath(dataDir)
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Whereabouts) : undefined
}

/** At the stop: what is not running is nowhere. */
export function removeLocalFile(dataDir: string): void {
  rmSync(localFilePath(dataDir), { force: true })
}
