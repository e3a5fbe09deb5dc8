/** The files of the image, run as a user who may change none of them, by the commands of compose.yaml. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createCrowd } from '../helpers/crowd.js'
import { composeFile, makeImageTree, ourServices, rolesOf } from '../helpers/image-tree.js'
import { type System, startSystem } from '../helpers/system.js'

/** nobody, where this process may become it; else it runs as itself. */
const uid = process.getuid?.() === 0 ? 65_534 : undefined

let tree: ReturnType<typeof makeImageTree>
let system: System
before(async () => {
  tree = makeImageTree()
  const roles = ourServices(composeFile('compose.yaml')).flatMap(([, service]) => {
    const own = rolesOf(service)
    return own ? [own] : []
  })
  system = await startSystem({
    roles,
    program: { main: join(tree.folder, 'dist/main.js'), uid },
    env: {
      NODE_ENV: 'production',
      PROFILE: 'production',
      METRICS_PORT: '0',
      DATA_DIR: join(tree.folder, 'nowhere'),
      FILE_STORE: 's3',
      S3_BUCKET: 'unused',
    },
  })
})
after(async () => {
  await system?.stop()
  tree?.remove()
})

test('every service of compose.yaml serves: a message goes from one user to another', async () => {
  const crowd = createCrowd(system)
  const { bo, adas, bos } = await crowd.pair()
  const msg_id = adas.send(bo.user_id, 'hello from the image')
  await adas.acked(msg_id)
  assert.equal(Buffer.from((await bos.received(msg_id)).msg_data).toString(), 'hello from the image')
  crowd.leave()
  for (const { name, metricsPort } of system.processes.values())
    assert.equal((await fetch(`http://127.0.0.1:${metricsPort}/readyz`)).status, 200, name)
})

test('the health check passes while the process lives, and only then', () => {
  const check = (port: number | undefined) =>
    spawnSync(process.execPath, [join(tree.folder, 'infra/image/healthcheck.mjs')], {
      env: { METRICS_PORT: String(port), HOST: '0.0.0.0' },
    }).status
  const [first] = system.processes.values()
  assert.equal(check(first?.metricsPort), 0)
  assert.equal(check(1), 1)
})

test('nothing but what production runs is in the image', () => {
  const has = (path: string) => existsSync(join(tree.folder, path))
  for (const path of [
    'dist/main.js',
    'dist/ops.js',
    'infra/postgres/migrations',
    'node_modules/pg',
    'LICENSE',
  ])
    assert.ok(has(path), path)
  for (const path of [
    'dist/test',
    'dist/bench',
    'dist/infra/local',
    'node_modules/typescript',
    'node_modules/knip',
  ])
    assert.ok(!has(path), path)
  const bytes = readdirSync(tree.folder, { recursive: true, encoding: 'utf8' })
    .map((path) => statSync(join(tree.folder, path)))
    .reduce((sum, { size }) => sum + size, 0)
  assert.ok(bytes < 100 * 1024 * 1024, `${Math.round(bytes / 1024 / 1024)} MiB`)
})
