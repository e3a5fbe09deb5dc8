/** `npm run picture` and `npm run env-example`: writes what picture.test.ts and env-example.test.ts compare. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { envExample } from '../../schemas/config.js'
import { read, root } from './checkout.js'

const texts: Record<string, () => Promise<string>> = {
  'ARCHITECTURE.md': async () => (await import('./picture.js')).withPicture(read('ARCHITECTURE.md')),
  '.env.example': async () => envExample(),
}

for (const path of process.argv.slice(2)) {
  const text = texts[path]
  if (text === undefined) throw new Error(`${path} is not generated; ${Object.keys(texts).join(' and ')} are`)
  writeFileSync(join(root, path), await text())
}
