/** `npm test` in a folder whose tests are careless: it leaves nothing of theirs. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { lives, until } from '../helpers/checkout.js'
import { type Program, run } from '../helpers/program.js'

const repository = join(import.meta.dirname, '../../..') // from dist/test/infra
const module = (path: string) => JSON.stringify(pathToFileURL(join(repository, path)).href)

const entry = `
import { openGuard } from ${module('infra/local/guard.mjs')}
import { runTests } from ${module('dist/infra/local/test-run.js')}
await runTests({
  root: import.meta.dirname,
  argv: process.argv.slice(2),
  env: process.env,
  guard: openGuard(),
  parentPid: process.ppid,
  begun: Date.now(),
})
`

/** Starts a program, freezes it, makes a folder, and ends without a thought for either. */
const careless = `
import { spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
test('careless', { timeout: 600_000 }, async () => {
  const stray = spawn('sleep', ['600'], { stdio: 'ignore' })
  stray.unref()
  stray.kill('SIGSTOP')
  const folder = mkdtempSync(join(tmpdir(), 'left-'))
  writeFileSync(process.env.NOTE, JSON.stringify({ pid: stray.pid, folder }))
  if (process.env.HANG) await new Promise(() => setInterval(() => {}, 1_000))
})
`

interface Left {
  readonly pid: number
  readonly folder: string
}

/** A folder with that one test, and its runs on the parts of this one. */
function carelessTests(t: { after(leave: () => void): void }) {
  const root = mkdtempSync(join(tmpdir(), 'coffeechat-careless-'))
  t.after(() => rmSync(root, { recursive: true }))
  const note = join(root, 'note.json')
  mkdirSync(join(root, 'dist/test'), { recursive: true })
  mkdirSync(join(root, 'tmp'))
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  writeFileSync(join(root, 'entry.mjs'), entry)
  writeFileSync(join(root, 'dist/test/careless.test.js'), careless)
  return {
    run(env: NodeJS.ProcessEnv = {}): Program {
      const isolated = { NODE_TEST_CONTEXT: undefined, TMPDIR: join(root, 'tmp'), NOTE: note }
      return run([process.execPath, join(root, 'entry.mjs')], { cwd: root, env: { ...isolated, ...env } })
    },
    hasBegun: () => until('the test runs', () => existsSync(note)),
    left: () => JSON.parse(readFileSync(note, 'utf8')) as Left,
    folders: () => readdirSync(join(root, 'tmp')),
  }
}

test('a test that leaves a frozen process and a folder leaves neither', async (t) => {
  const tests = carelessTests(t)
  assert.equal(await tests.run().ended(), 0)
  const { pid, folder } = tests.left()
  assert.equal(lives(pid), false)
  assert.equal(existsSync(folder), false)
  assert.deepEqual(tests.folders(), [])
})

for (const signal of ['SIGINT', 'SIGKILL'] as const)
  test(`neither does one that runs when npm test gets ${signal}`, async (t) => {
    const tests = carelessTests(t)
    const program = tests.run({ HANG: 'yes' })
    await tests.hasBegun()
    await program.end(signal)
    await until('the stray process is gone', () => !lives(tests.left().pid), 10_000)
    await until('the folders are gone', () => tests.folders().length === 0, 10_000)
  })
