/** `npm run ops -- …`: prepares the checkout, then hands over to the compiled commands in this same process. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { bootstrap } from './bootstrap.mjs'

await bootstrap(
  async ({ root }) => {
    const dotenv = join(root, '.env')
    if (existsSync(dotenv)) process.loadEnvFile(dotenv)
    await import('../../dist/ops.js')
  },
  // What a command prints is to be read by programs too.
  { say: (line) => process.stderr.write(`${line}\n`) },
)
