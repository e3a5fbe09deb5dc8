/** `npm start`: prepares the checkout, then hands over to the compiled starter in this same process. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { bootstrap } from './bootstrap.mjs'

await bootstrap(async (context) => {
  const dotenv = join(context.root, '.env')
  if (existsSync(dotenv)) process.loadEnvFile(dotenv)
  const { start } = await import('../../dist/infra/local/starter.js')
  await start({ ...context, argv: process.argv.slice(2), env: process.env })
})
