/** The files of a page that a gate serves, read once into memory. */
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { PageFiles } from '../gateway/ports.js'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** undefined where the folder has not been built. */
export function readPageFiles(folder: string): PageFiles | undefined {
  try {
    const names = readdirSync(folder).filter((name) => extname(name) in types)
    return new Map(
      names.map((name) => [name, { type: types[extname(name)]!, body: readFileSync(join(folder, name)) }]),
    )
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
