/** The file store in a folder: for one machine, or a folder that all gates and the files role share. */
import { randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { FileStore } from '../../gateway/ports.js'

/** Files of one folder each hold a 256th of all. */
const shelf = (root: string, name: string): string => join(root, name.slice(0, 2))

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

/** Makes the directory's entry durable. Not every file system can; then the rename is as good as it gets. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  await folder.sync().catch(() => {})
  await folder.close()
}

/** Keeps files below this folder, which is made when it is needed. */
export function createFolderStore(root: string): FileStore {
  return {
    async write(name, bytes) {
      const path = join(shelf(root, name), name)
      await mkdir(dirname(path), { recursive: true })
      const half = `${path}.${randomBytes(6).toString('hex')}.part`
      try {
        await pipeline(bytes, createWriteStream(half, { flush: true }))
        await rename(half, path)
      } catch (error) {
        await rm(half, { force: true })
        throw error
      }
      await syncFolder(dirname(path))
    },

    async read(name, range) {
      try {
        const file = await open(join(shelf(root, name), name), 'r')
        return createReadStream('', { fd: file, autoClose: true, ...range })
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
    },

    async remove(fileIds) {
      const shelves = new Map<string, string[]>()
      for (const id of fileIds) shelves.set(shelf(root, id), [...(shelves.get(shelf(root, id)) ?? []), id])
      for (const [folder, ids] of shelves) {
        const names = await readdir(folder).catch((error: unknown) => {
          if (isMissing(error)) return []
          throw error
        })
        const gone = names.filter((name) => ids.includes(name.split('.')[0] ?? ''))
        for (const name of gone) await rm(join(folder, name), { force: true })
      }
    },

    close() {},
  }
}
