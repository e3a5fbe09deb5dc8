/** `npm run release-schemas`: at a release, what compatibility.test.ts holds later payloads to, and released-schema.test.ts later migrations. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { schemaFile } from '../../infra/postgres/dump.js'
import { readSchema } from '../infra/postgres/released-schema.js'
import { current } from './compatibility.js'

const root = join(import.meta.dirname, '../../..')
const write = (file: string, released: object) =>
  writeFileSync(join(root, file), `${JSON.stringify(released, null, 2)}\n`)

write('test/schemas/released.json', current())
write('test/infra/postgres/released-schema.json', readSchema(readFileSync(schemaFile, 'utf8')))
