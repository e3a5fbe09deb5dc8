/** Log files of the stack's programs, under DATA_DIR/logs. */
import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'

const rotateAbove_bytes = 20 * 1024 * 1024
const tail_bytes = 4_096

export interface LogFile {
  readonly path: string
  /** A descriptor to append to; the caller closes it once it is the child's. */
  open(): number
  /** Its last lines, at most `count`. */
  tail(count: number): string
}

/** The log of one program. One earlier file is kept; it changes at a start, never under a writer. */
export function logFile(dataDir: string, name: string): LogFile {
  const folder = join(dataDir, 'logs')
  const path = join(folder, `${name}.log`)
  mkdirSync(folder, { recursive: true })
  if (existsSync(path) && statSync(path).size > rotateAbove_bytes) renameSync(path, `${path}.1`)

  return {
    path,
    open: () => openSync(path, 'a', 0o600),
    tail(count) {
      if (!existsSync(path)) return ''
      const file = openSync(path, 'r')
      try {
        const buffer = Buffer.alloc(tail_bytes)
        const size = statSync(path).size
        const read = readSync(file, buffer, 0, tail_bytes, Math.max(0, size - tail_bytes))
        return buffer.toString('utf8', 0, read).trimEnd().split('\n').slice(-count).join('\n')
      } finally {
        closeSync(file)
      }
    },
  }
}
