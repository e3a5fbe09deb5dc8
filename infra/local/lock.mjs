/**
 * A lock file that a dead holder cannot keep: it names the holder's pid and start time, since a pid alone
 * may be another program's by now. Plain JavaScript because the bootstrap needs it before the build.
 */
import { execFileSync } from 'node:child_process'
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/**
 * When a living process began, as its operating system tells it; undefined when it is gone (or a zombie).
 * @param {number} pid
 * @returns {string | undefined}
 */
export function startOf(pid) {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      // the program's name stands in parentheses and may hold anything
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
    }
    const line = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    return line.startsWith('Z') ? undefined : line.slice(line.indexOf(' ')).trim()
  } catch {
    return undefined
  }
}

/**
 * @param {{ pid: number, started: string }} identity
 * @returns {boolean} whether that very process lives
 */
export const isAlive = ({ pid, started }) => startOf(pid) === started

/**
 * @param {number} pid
 * @returns {{ pid: number, started: string }}
 */
export const identityOf = (pid) => ({ pid, started: startOf(pid) ?? '' })

/**
 * Writes a file so that readers see the old or the new text, never half of it.
 * @param {string} path
 * @param {string} text
 * @param {number} [mode]
 * @returns {void}
 */
export function writeWhole(path, text, mode = 0o600) {
  const draft = `${path}.${process.pid}.new`
  writeFileSync(draft, text, { mode })
  renameSync(draft, path)
}

/**
 * @typedef {{ pid: number, started: string, [field: string]: unknown }} Holder
 * @typedef {{ previous: Holder | undefined, update(fields: Record<string, unknown>): void, release(): void }} Lock
 */

/** Another living process has the lock and kept it for as long as was worth waiting. */
export class LockHeld extends Error {
  /** @param {string} path @param {Holder} holder */
  constructor(path, holder) {
    super(`${path} is held by process ${holder.pid}`)
    this.holder = holder
  }
}

/** @param {string} path @returns {Holder | undefined} undefined when there is no lock */
function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    return { pid: 0, started: 'unreadable' }
  }
}

/** Makes the lock file, complete from its first moment; false when there is one. */
function claim(path, mine) {
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, JSON.stringify(mine), { mode: 0o600 })
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Removes a dead holder's file, and only that: whoever was quicker may hold the lock already. */
function clearStale(path, dead) {
  const aside = `${path}.${process.pid}.stale`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  const moved = read(aside)
  if (moved?.pid !== dead.pid || moved?.started !== dead.started) {
    try {
      linkSync(aside, path)
    } catch {
      // a third one holds it now; the one moved finds out at its next update
    }
  }
  rmSync(aside, { force: true })
}

/**
 * Waits for the lock and holds it until `release` (or this process's death).
 * `previous` in the result is what a dead holder left in the file.
 * @param {string} path
 * @param {{ patience_ms: (holder: Holder) => number, onWait?: (holder: Holder) => void }} options
 *   how long a living holder is waited for, asked again at every look
 * @returns {Promise<Lock>}
 * @throws LockHeld
 */
export async function holdLock(path, { patience_ms, onWait }) {
  const mine = identityOf(process.pid)
  const begun = Date.now()
  let previous
  let waiting = false
  while (!claim(path, mine)) {
    const holder = read(path)
    if (holder === undefined) continue
    if (!isAlive(holder)) {
      previous = holder
      clearStale(path, holder)
      continue
    }
    if (Date.now() - begun >= patience_ms(holder)) throw new LockHeld(path, holder)
    if (!waiting) onWait?.(holder)
    waiting = true
    await pause(100)
  }
  return {
    previous,
    update: (fields) => writeWhole(path, JSON.stringify({ ...mine, ...fields })),
    release: () => {
      if (read(path)?.pid === mine.pid) rmSync(path, { force: true })
    },
  }
}
