/** How much room there is for uploaded files. */
import { statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { DiskFacts } from '../../ops/ports.js'
import type { Config } from '../../schemas/config.js'

/** Where files lie, with FILE_STORE=folder. */
export const filesFolder = (config: Config): string => config.FILE_DIR ?? join(config.DATA_DIR, 'files')

/** Of the folder, or of what it will be made in. @throws Error where nothing of its path can be read */
async function roomIn(folder: string): Promise<{ free_bytes: number; total_bytes: number }> {
  try {
    const { bavail, blocks, bsize } = await statfs(folder)
    return { free_bytes: bavail * bsize, total_bytes: blocks * bsize }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(folder) === folder) throw error
    return roomIn(dirname(folder))
  }
}

/** The disks that this machine's processes write files to; none with S3. */
export async function examineDisks(config: Config): Promise<DiskFacts[]> {
  if (config.FILE_STORE !== 'folder') return []
  const folder = filesFolder(config)
  const setting = config.FILE_DIR === undefined ? 'DATA_DIR' : 'FILE_DIR'
  return [{ setting, folder, ...(await roomIn(folder)) }]
}
