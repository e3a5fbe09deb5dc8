/** `npm test`: prepares the checkout, then runs the tests on a Kafka, PostgreSQL and Redis of their own. */
import { bootstrap } from './bootstrap.mjs'

await bootstrap(async (context) => {
  const { runTests } = await import('../../dist/infra/local/test-run.js')
  await runTests({ ...context, argv: process.argv.slice(2), env: process.env })
})
