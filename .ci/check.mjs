// `npm run check`: everything that a machine can say about the code without running it. Each check runs, also
// when an earlier one failed; what failed is printed whole, and again by name at the end.
import { spawnSync } from 'node:child_process'

const rooms = ['main.ts', 'proto', 'schemas', 'gateway', 'workers', 'infra', 'test', 'bench'].filter(
  existsSync,
)

const checks = {
  'format and lint': ['biome', 'check', '--error-on-warnings', '.'],
  types: ['tsc', '--noEmit', '-p', '.'],
  imports: ['depcruise', '--config', '.dependency-cruiser.cjs', ...rooms],
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
  process.exit(1)
}
