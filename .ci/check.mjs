// `npm run check`: everything that a machine can say about the code without running it. Each check runs, also
// when an earlier one failed; what failed is printed whole, and again by name at the end.
import { spawnSync } from 'node:child_process'

const sources =
  'main.ts compose.ts setup.ts wiring.ts ops.ts proto schemas gateway workers infra ops client chat test bench'.split(
    ' ',
  )

const checks = {
  'format and lint': ['biome', 'check', '--error-on-warnings', '.'],
  types: ['tsc', '--noEmit', '-p', '.'],
  'types of pages': ['tsc', '-p', 'chat'],
  imports: ['depcruise', '--config', '.dependency-cruiser.cjs', ...sources],
  'dead code': ['knip', '--no-config-hints'],
}

const failed = Object.entries(checks).filter(([name, [program, ...words]]) => {
  const run = spawnSync(`node_modules/.bin/${program}`, words, { encoding: 'utf8' })
  const passed = run.status === 0
  console.log(`${passed ? '✔' : '✖'} ${name}`)
  if (!passed) console.log(run.error?.message ?? `${run.stdout}${run.stderr}`)
  return !passed
})

if (failed.length > 0) {
  console.log(`failed: ${failed.map(([name]) => name).join(', ')}`)
  process.exitCode = 1
}
