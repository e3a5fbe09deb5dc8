/** `npm run picture`, `env-example` and `client-protocol`: writes what tests compare. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { envExample } from '../../schemas/settings-text.js'
import { read, root } from './checkout.js'

const texts: Record<string, () => Promise<string>> = {
  'ARCHITECTURE.md': async () => (await import('./picture.js')).withPicture(read('ARCHITECTURE.md')),
  '.env.example': async () => envExample(),
  'client/gen/protocol.ts': async () => (await import('./client-protocol.js')).clientProtocol(),
}

for (const path of process.argv.slice(2)) {
  const text = texts[path]
  if (text === undefined) throw new Error(`${path} is not generated; ${Object.keys(texts).join(', ')} are`)
  writeFileSync(join(root, path), await text())
}
