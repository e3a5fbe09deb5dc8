/** `npm run release-schemas`: at a release, what compatibility.test.ts holds later payloads to. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { current } from './compatibility.js'

const file = join(import.meta.dirname, '../../../test/schemas/released.json')
writeFileSync(file, `${JSON.stringify(current(), null, 2)}\n`)
