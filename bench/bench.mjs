/** `npm run bench`: prepares the checkout, then runs the benchmark on a Kafka, PostgreSQL and Redis of its own. */
import { bootstrap } from '../infra/local/bootstrap.mjs'

await bootstrap(async (context) => {
  const { runBench } = await import('../dist/bench/main.js')
  await runBench({ ...context, argv: process.argv.slice(2), env: process.env })
})
