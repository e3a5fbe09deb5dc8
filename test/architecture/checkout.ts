/** The files of this checkout, for the tests that read them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of package.json; compiled tests lie in dist/test/architecture below it. */
export const root = fileURLToPath(new URL('../../..', import.meta.url))

const rooms = ['proto', 'schemas', 'gateway', 'workers', 'infra', 'ops', 'client', 'chat', 'test', 'bench']

export interface SourceFile {
  /** From the root, with slashes. */
  readonly path: string
  readonly text: string
}

/** Reads a file of the checkout; `path` is from the root. */
export const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const isWritten = (path: string) => /\.(ts|mjs|cjs|js)$/.test(path) && !/^(proto|client)\/gen\//.test(path)

/** Every source file that is written by hand: the rooms' and main.ts, in the order of their paths. */
export function sourceFiles(): SourceFile[] {
  const inRooms = rooms.flatMap((room) => filesBelow(room).map((path) => `${room}/${path}`))
  return [...inRooms, ...filesBelow('.', false)]
    .filter(isWritten)
    .sort()
    .map((path) => ({ path, text: read(path) }))
}

function filesBelow(folder: string, recursive = true): string[] {
  try {
    return readdirSync(join(root, folder), { recursive, encoding: 'utf8' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [] // a room that is not furnished yet
    throw error
  }
}

/** Blanks out comments and keeps the lines, so that what is found is code and lines keep their numbers. */
export const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\/|(?<=^|[\s;,({[])\/\/[^\n]*/g, (comment) => comment.replace(/[^\n]/g, ' '))
