// Makes what browsers load: dist/chat (the web chat) and dist/client/coffeechat.min.js (the client library in one file).
import { copyFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const out = join(root, 'dist/chat')
const options = { bundle: true, minify: true, format: 'esm', target: 'es2022', logLevel: 'warning' }

mkdirSync(out, { recursive: true })
await build({ ...options, entryPoints: [join(root, 'chat/chat.ts')], outfile: join(out, 'chat.js') })
await build({
  ...options,
  entryPoints: [join(root, 'client/index.ts')],
  outfile: join(root, 'dist/client/coffeechat.min.js'),
})
for (const name of ['index.html', 'chat.css', 'messages.css', 'icon.svg'])
  copyFileSync(join(root, 'chat', name), join(out, name))
