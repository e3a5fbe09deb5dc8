/**
 * `npm run helm`: builds helm from its Go module, for the tests of the chart, where no helm is installed. It takes
 * Go and some minutes, once; the program stays in ~/.cache/coffeechat.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const version = 'v3.18.6'
const folder = join(homedir(), '.cache', 'coffeechat', `helm-${version}`)

if (existsSync(join(folder, 'helm'))) console.log(join(folder, 'helm'))
else {
  mkdirSync(folder, { recursive: true })
  const env = { ...process.env, GOBIN: folder, GOFLAGS: '-p=1' }
  const { status, error } = spawnSync('go', ['install', `helm.sh/helm/v3/cmd/helm@${version}`], {
    env,
    stdio: 'inherit',
  })
  if (error) console.error(`go cannot be run (${error.message}): install Go, or helm itself`)
  process.exitCode = status ?? 1
}
