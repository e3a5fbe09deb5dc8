/** The .proto files of this checkout. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '../../../proto') // from dist/test/schemas

export const protoFiles = (): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.proto'))
    .map((name) => join(folder, name))
