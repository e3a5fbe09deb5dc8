/** kill -9 of the org worker amid imports: what was answered makes one story, and the last tree stands. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { allRoles } from '../../setup.js'
import { randomNumbers } from '../helpers/random.js'
import { type System, startSystem } from '../helpers/system.js'

const seed = Number(process.env.FAULTS_SEED ?? 1)
const random = randomNumbers(seed)
const kills = 2
const importsPerKill = 12

let system: System
before(async () => {
  system = await startSystem({ roles: [allRoles.filter((role) => role !== 'org'), ['org']] })
  await system.api.registerAll([1, 2, 3, 4, 5])
})
after(() => system?.stop())

interface Diff {
  readonly version: number
  readonly departments: { readonly renamed: readonly { readonly from: string; readonly to: string }[] }
}

let count = 0
/** Names the root anew; the diff, or undefined where the answer did not come in time. */
async function rename(): Promise<Diff | undefined> {
  const { status, body } = await system.api.call('PUT', '/v1/org', {
    departments: [{ department_id: 'root', name: `name ${count++}` }],
    members: [1, 2, 3, 4, 5].map((user_id) => ({ user_id: String(user_id), department_id: 'root' })),
  })
  assert.ok(status === 200 || status === 503, JSON.stringify(body))
  return status === 200 ? body : undefined
}

test(`imports go on where a killed worker was, each applied once (seed ${seed})`, async (t) => {
  await rename()
  const answered: Diff[] = []
  for (let kill = 0; kill < kills; kill++) {
    const asked = Array.from({ length: importsPerKill }, () => rename())
    for (let first = random(importsPerKill); first > 0; first--) await Promise.race(asked)
    const worker = system.processes.get('org')!
    await worker.kill('SIGKILL')
    await worker.restart()
    answered.push(...(await Promise.all(asked)).filter((diff) => diff !== undefined))
  }
  // Answered only when all before it are done.
  const last = await rename()
  assert.ok(last)
  answered.push(last)
  t.diagnostic(`${answered.length} of ${kills * importsPerKill + 1} imports were answered in time`)

  const total = kills * importsPerKill + 2
  const { body } = await system.api.get('/v1/org')
  assert.equal(body.departments[0].name, `name ${total - 1}`)
  // The first made six rows, each other one renamed one: none was applied twice, none was left out.
  assert.equal(body.version, 6 + total - 1)
  const byVersion = new Map(answered.map((diff) => [diff.version, diff.departments.renamed[0]!]))
  assert.equal(byVersion.size, answered.length)
  for (const [version, { from }] of byVersion) {
    const before = byVersion.get(version - 1)
    if (before !== undefined) assert.equal(from, before.to)
  }
})
