/** A disk of few MiB that a test can fill, in memory; for who may mount one (root on Linux). */
import { execFileSync } from 'node:child_process'
import { chownSync, closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk {
  readonly folder: string
  /** Takes all the room that there is. */
  fill(): void
  /** Gives back what `fill` took. */
  free(): void
  unmount(): void
}

const chunk = Buffer.alloc(65_536, 1)

/** @param owner the user who may write to it; this process's own where it is not given */
export function mountSmallDisk(size_mib: number, owner?: { uid: number; gid: number }): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size_mib}m,mode=755`, 'tmpfs', folder], {
    stdio: 'pipe',
  })
  if (owner) chownSync(folder, owner.uid, owner.gid)
  const filler = join(folder, 'filler')
  return {
    folder,
    fill() {
      const file = openSync(filler, 'a')
      for (const size of [chunk.length, 4_096, 512])
        try {
          for (;;) writeSync(file, chunk, 0, size)
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        }
      closeSync(file)
    },
    free: () => rmSync(filler, { force: true }),
    unmount() {
      execFileSync('umount', ['-l', folder], { stdio: 'pipe' })
      rmdirSync(folder)
    },
  }
}

/** Why none can be had here; false where one can. */
export function noSmallDisk(): string | false {
  try {
    mountSmallDisk(1).unmount()
    return false
  } catch {
    return 'mounting a small disk takes root, and the right to mount'
  }
}
